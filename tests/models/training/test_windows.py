from dataclasses import replace

import numpy as np
import pytest

from models.negatives.negatives import NegativeSampler
from models.training.batches import TrainingData
from models.training.windows import WindowBatches

SIZES = np.array([5, 0, 1, 11, 3, 8])
EVENTS = int(SIZES.sum())
# Event e has candidate e, hence token 10 + e, and context e.
DATA = TrainingData(
    offsets=np.concatenate([[0], np.cumsum(SIZES)]),
    candidate=np.arange(EVENTS, dtype=np.int32),
    weight=np.arange(EVENTS, dtype=np.float32),
    context={"device": np.arange(EVENTS, dtype=np.int32)[:, None]},
    queries={"user": np.arange(len(SIZES), dtype=np.int32)[:, None]},
    candidates={"candidate_id": np.arange(10, 10 + EVENTS, dtype=np.int32)[:, None]},
    ordered=True,
    history_length=4,
)
QUERY = np.repeat(np.arange(len(SIZES)), SIZES)


def epoch(batches: WindowBatches, number: int = 0) -> list[dict]:
    return [batches.batch(number * batches.steps_per_epoch + step) for step in range(batches.steps_per_epoch)]


def test_an_epoch_has_every_event_as_a_label_once_and_epochs_differ():
    batches = WindowBatches(DATA, batch_size=6, seed=1)
    assert batches.steps_per_epoch == 5
    epochs = [[batch["label"].tolist() for batch in epoch(batches, number)] for number in (0, 1)]
    for labels in epochs:
        assert sorted(event for batch in labels for event in batch) == list(range(EVENTS))
        assert all(2 <= len(batch) <= 10 for batch in labels)
    assert epochs[0] != epochs[1]


def test_a_batch_is_a_function_of_seed_and_step():
    def labels(seed: int, step: int) -> list[int]:
        return WindowBatches(DATA, batch_size=6, seed=seed).batch(step)["label"].tolist()

    assert labels(1, 7) == labels(1, 7)
    assert labels(1, 7) != labels(2, 7)
    assert next(WindowBatches(DATA, batch_size=6, seed=1).from_step(7))["label"].tolist() == labels(1, 7)


def test_a_position_reads_the_events_up_to_its_label():
    for batch in epoch(WindowBatches(DATA, batch_size=6, seed=1)):
        history, label = batch["query"]["history"], batch["label"]
        row, read = np.divmod(batch["positions"], history.shape[1] + 1)
        np.testing.assert_array_equal(row, batch["window"])
        assert (np.diff(row) >= 0).all()
        for window, events, target in zip(row, read, label, strict=True):
            oldest_first = [token - 10 for token in history[window][::-1] if token]
            first = DATA.offsets[QUERY[target]]
            assert oldest_first[:events] == list(range(target - events, target))
            assert events == 0 if target == first else events >= 1


def test_columns_belong_to_the_label():
    for batch in epoch(WindowBatches(replace(DATA, age=np.arange(EVENTS, dtype=np.float32)), batch_size=6, seed=1)):
        np.testing.assert_array_equal(batch["query"]["user"][:, 0], QUERY[batch["label"]])
        np.testing.assert_array_equal(batch["query"]["device"][:, 0], batch["label"])
        np.testing.assert_array_equal(batch["query"]["example_age"][:, 0], batch["label"])
        np.testing.assert_array_equal(batch["candidate"]["candidate_id"][:, 0], 10 + batch["label"])
        np.testing.assert_array_equal(batch["weight"], batch["label"])


def test_all_candidates_of_a_window_s_query_are_known():
    for batch in epoch(WindowBatches(DATA, batch_size=6, seed=1)):
        for window in np.unique(batch["window"]):
            query = QUERY[batch["label"][batch["window"] == window][0]]
            known = batch["known"][batch["known_row"] == window]
            assert known.tolist() == np.flatnonzero(query == QUERY).tolist()


def test_drawn_negatives_are_added_and_known_candidates_restricted_to_the_batch():
    sampler = NegativeSampler(number=6, weights=np.ones(EVENTS), seed=3)
    batches = WindowBatches(DATA, batch_size=6, seed=1, sampler=sampler, negatives_in_batch=True)
    for step, batch in enumerate(epoch(batches)):
        assert batch["drawn_row"].tolist() == sampler.draw(step).tolist()
        assert (batch["drawn"]["candidate_id"][:, 0] == 10 + batch["drawn_row"]).all()
        assert np.isin(batch["known"], np.concatenate([batch["label"], batch["drawn_row"]])).all()


def test_histories_are_as_wide_as_the_longest_of_the_batch():
    data = replace(DATA, history_length=100)
    widths = {batch["query"]["history"].shape[1] for batch in epoch(WindowBatches(data, batch_size=11, seed=1))}
    assert max(widths) == SIZES.max() - 1


def test_unordered_events_are_refused():
    with pytest.raises(ValueError, match="needs ordered events"):
        WindowBatches(replace(DATA, ordered=False), batch_size=6, seed=1)
