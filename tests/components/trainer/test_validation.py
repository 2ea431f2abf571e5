"""The events that choose a model: their histories, what they exclude, and how many there are."""

from dataclasses import replace

import numpy as np
import pytest

from components.trainer.data import validation_of
from dataplane.dataset.sequences import Dataset
from dataplane.errors import DataError, RefusedError
from tests.components.trainer.walks import (
    LENGTH,
    PARAMS,
    QUERIES,
    SPEC,
    run,
    walks,
    with_split,
)


def coming_back(unmeasured: int) -> Dataset:
    """The walks, but the first queries' test events repeat earlier items."""
    dataset = walks()
    candidate = dataset.events.candidate.reshape(QUERIES, LENGTH).copy()
    candidate[:unmeasured, -1] = candidate[:unmeasured, 0]
    return replace(dataset, events=replace(dataset.events, candidate=candidate.ravel()))


def test_training_is_refused_if_most_queries_could_not_be_measured(tmp_path):
    expected = r"41 of 80 queries with test events cannot be measured.*set remove_seen: false.*nothing was trained"
    with pytest.raises(RefusedError, match=expected):
        run(tmp_path / "run", coming_back(41))
    assert not (tmp_path / "run" / "model").exists()


def test_a_model_chosen_by_few_queries_is_noted(tmp_path):
    dataset = coming_back(40)  # half of them are enough
    candidate = dataset.events.candidate.reshape(QUERIES, LENGTH).copy()
    candidate[:77, -2] = candidate[:77, 0]
    params = PARAMS.model_copy(update={"training": PARAMS.training.model_copy(update={"max_epochs": 1})})
    events = replace(dataset.events, candidate=candidate.ravel())
    model = run(tmp_path / "run", replace(dataset, events=events), params)
    notes = model.read_json("training.json")["notes"]
    assert notes[0].startswith(
        "validation: 77 of 80 events are not measured, because their queries had the candidates before"
    )
    assert notes[1] == "validation: only 3 queries choose the model; differences may be chance"


def test_no_validation_events_are_refused(tmp_path):
    dataset = walks()
    with pytest.raises(DataError, match="no validation event"):
        run(tmp_path / "empty", with_split(dataset, np.zeros(len(dataset.events))))


def test_validation_sees_the_training_events_only():
    validation = validation_of(walks(), SPEC, PARAMS)
    events = walks().events.candidate.reshape(QUERIES, LENGTH)
    assert (validation.queries["history"] == events[:, 7:3:-1] + 2).all()
    assert (validation.relevant.rows == events[:, 8]).all()
    assert (validation.excluded.rows.reshape(QUERIES, -1) == events[:, :8]).all()
    device = walks().events.context["device"].reshape(QUERIES, LENGTH)
    assert (validation.queries["device"][:, 0] == device[:, 8]).all()


def test_held_out_queries_keep_their_history():
    dataset = walks()
    split = dataset.events.split.reshape(QUERIES, LENGTH).copy()
    split[0] = [3] * 8 + [1, 1]
    validation = validation_of(with_split(dataset, split.ravel()), SPEC, PARAMS)
    events = dataset.events.candidate.reshape(QUERIES, LENGTH)
    assert validation.queries["history"][0].tolist() == (events[0, 7:3:-1] + 2).tolist()
    assert sorted(validation.relevant.entries(0, 1)) == sorted(events[0, 8:])
    assert validation.excluded.entries(0, 1).tolist() == events[0, :8].tolist()


def test_seen_targets_count_only_without_remove_seen():
    dataset = walks()
    candidate = dataset.events.candidate.copy()
    candidate[LENGTH - 2] = candidate[0]  # the first query's validation event repeats a training event
    dataset = replace(dataset, events=replace(dataset.events, candidate=candidate))
    assert len(validation_of(dataset, SPEC, PARAMS).relevant) == QUERIES - 1
    repeated = validation_of(dataset, SPEC, PARAMS.model_copy(update={"remove_seen": False}))
    assert len(repeated.relevant) == QUERIES
    assert len(repeated.excluded.rows) == 0


def test_validation_takes_a_sample_of_many_queries():
    training = PARAMS.training.model_copy(update={"validation_queries": 7})
    validation = validation_of(walks(), SPEC, PARAMS.model_copy(update={"training": training}))
    assert len(validation.relevant) == len(validation.queries["history"]) == 7
