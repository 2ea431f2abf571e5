import numpy as np
import pyarrow as pa

from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.retrieval_task import retrieval_task, seen_splits
from dataplane.dataset.sequences import SPLITS, Dataset, Entities, Events


def dataset(*queries: list[tuple[int, str]]) -> Dataset:
    flat = [event for events in queries for event in events]
    events = Events(
        offsets=np.cumsum([0, *map(len, queries)]),
        candidate=np.array([candidate for candidate, _ in flat], np.int32),
        split=np.array([SPLITS.index(split) for _, split in flat], np.int8),
    )
    ids = Entities(pa.array([f"{i}" for i in range(9)], pa.large_string()), {})
    return Dataset(
        events, Entities(ids.ids[: len(queries)], {}), ids, np.zeros(9, np.int64), DatasetMetadata(ordered=True)
    )


def test_earlier_splits_are_seen() -> None:
    assert seen_splits("validation") == ("train", "history")
    assert seen_splits("test") == ("train", "validation", "history")


def test_earlier_events_of_held_out_queries_are_their_history() -> None:
    data = dataset([(4, "history"), (2, "history"), (7, "test")], [(1, "train")])
    task = retrieval_task(data, "test", remove_seen=True)
    assert task.query_rows.tolist() == [0]
    assert task.relevant.rows.tolist() == [7]
    assert task.seen.rows.tolist() == [2, 4]
    assert task.history.candidate.tolist() == [4, 2, 1]
    assert task.counts["queries_without_events"] == 1


def test_lists_belong_to_the_queries_with_relevant_candidates() -> None:
    data = dataset(
        [(0, "train"), (0, "train"), (1, "test"), (3, "test"), (1, "test")],
        [(5, "train")],
        [(6, "train"), (6, "test")],
        [(8, "train"), (2, "validation"), (4, "test")],
    )
    task = retrieval_task(data, "test", remove_seen=True)
    assert task.query_rows.tolist() == [0, 3]
    assert task.relevant.offsets.tolist() == [0, 2, 3]
    assert task.relevant.rows.tolist() == [1, 3, 4]
    assert task.seen.offsets.tolist() == [0, 1, 3]
    assert task.seen.rows.tolist() == [0, 2, 8]
    assert task.excluded == task.seen
    assert task.counts == {
        "events": 5,
        "queries": 2,
        "relevant": 3,
        "repeated_in_split_merged": 1,
        "already_seen_dropped": 1,
        "queries_without_events": 1,
        "queries_with_only_seen_candidates": 1,
    }


def test_without_remove_seen_nothing_is_excluded() -> None:
    data = dataset([(6, "train"), (6, "test"), (2, "test")])
    task = retrieval_task(data, "test", remove_seen=False)
    assert task.relevant.rows.tolist() == [2, 6]
    assert len(task.excluded.rows) == 0
    assert task.seen.rows.tolist() == [6]
