"""Descriptions of a model's rankings, in a world of five candidates and two queries."""

import numpy as np
import pyarrow as pa
import pytest

from components.evaluator.answers import describe_answers
from components.evaluator.measuring import Measured
from dataplane.artifacts.answers import Answers
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.retrieval_task import retrieval_task
from dataplane.dataset.sequences import SPLITS, Dataset, Entities, Events
from models.events.history import PADDING

A, B, C, D, E = range(5)
TRAIN, TEST = SPLITS.index("train"), SPLITS.index("test")


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        events=Events(
            offsets=np.array([0, 4, 7]),
            candidate=np.array([A, B, C, D, A, B, E], np.int32),
            split=np.array([TRAIN, TRAIN, TEST, TEST, TRAIN, TRAIN, TEST], np.int8),
        ),
        queries=Entities(pa.array(["q0", "q1"], pa.large_string()), {}),
        candidates=Entities(pa.array(list("abcde"), pa.large_string()), {}),
        train_count=np.array([2, 2, 0, 0, 0]),
        metadata=DatasetMetadata(ordered=True),
    )


def describe(dataset: Dataset, top: list[list[int]], ranks: list[int], embeddings: np.ndarray) -> Answers:
    task = retrieval_task(dataset, "test", remove_seen=True)
    measured = Measured({}, {}, np.array(ranks), np.array(top, np.int32))
    return describe_answers(measured, task, dataset, embeddings, depth=3, seed=1)


LINE = np.outer(np.arange(5), [3, 4]).astype(np.float32)


def test_examples_say_what_was_known_answered_and_wanted(dataset: Dataset) -> None:
    answers = describe(dataset, [[D, E], [C, PADDING]], [4, 1, 2], LINE)
    first, second = answers.examples
    assert (first.query_id, first.history, first.answers) == ("q0", ("b", "a"), ("d", "e"))
    assert [(it.candidate_id, it.rank) for it in first.wanted] == [("d", 1), ("c", None)]
    assert (second.query_id, second.answers) == ("q1", ("c",))


def test_answers_are_counted_by_candidate_and_by_popularity(dataset: Dataset) -> None:
    answers = describe(dataset, [[D, E], [D, PADDING]], [4, 1, 2], LINE)
    assert (answers.queries, answers.recommended) == (2, 2)
    assert [(it.candidate_id, it.answers) for it in answers.favourites] == [("d", 2), ("e", 1)]
    assert [band.training_events for band in answers.bands] == [2, 2, 0, 0, 0]
    assert [band.answers for band in answers.bands] == [0, 0, 0, 2, 1]


def test_the_map_keeps_distances_of_points_in_a_plane(dataset: Dataset) -> None:
    answers = describe(dataset, [[D], [D]], [4, 1, 2], LINE)
    assert answers.map.explained == (1, 0)
    assert [it.candidate_id for it in answers.map.places] == list("abcde")
    assert [it.x for it in answers.map.places] == pytest.approx([-10, -5, 0, 5, 10])
    assert [it.y for it in answers.map.places] == pytest.approx([0] * 5)


@pytest.mark.parametrize("embeddings", [np.ones((5, 3), np.float32), np.arange(5, dtype=np.float32)[:, None]])
def test_the_map_can_be_made_of_equal_embeddings_and_of_one_dimension(dataset: Dataset, embeddings: np.ndarray) -> None:
    places = describe(dataset, [[D], [D]], [4, 1, 2], embeddings).map.places
    assert len(places) == 5
    assert all(it.y == 0 for it in places)
