from dataclasses import replace

import numpy as np
import pytest

from models.negatives.negatives import NegativeSampler
from models.spec.examples_config import PerQuery, Recent
from models.training.batches import Batches, TrainingData
from models.training.windows import WindowBatches

# Three queries; the second has no event. Candidate row r has token 10 + r.
DATA = TrainingData(
    offsets=np.array([0, 4, 4, 7]),
    candidate=np.array([0, 1, 2, 0, 3, 1, 4], np.int32),
    weight=None,
    context={"device": np.arange(7, dtype=np.int32)[:, None]},
    queries={"user": np.array([[2], [3], [4]], np.int32)},
    candidates={"candidate_id": np.arange(10, 15, dtype=np.int32)[:, None], "year": np.arange(5.0)[:, None]},
    ordered=True,
    history_length=2,
)


def one_batch(data: TrainingData, seed: int = 0) -> dict:
    return Batches(data, batch_size=7, seed=seed).batch(0)


def by_event(batch: dict) -> dict[int, int]:
    """Row of each event, from the context column, which numbers the events."""
    return {int(event): row for row, event in enumerate(batch["query"]["device"][:, 0])}


def test_history_has_the_events_before_the_label_most_recent_first():
    batch = one_batch(DATA)
    row = by_event(batch)
    histories = [batch["query"]["history"][row[event]].tolist() for event in range(7)]
    assert histories == [[0, 0], [10, 0], [11, 10], [12, 11], [0, 0], [13, 0], [11, 13]]


def test_with_later_labels_a_history_ends_anywhere_before_its_label():
    batches, of_next = (Batches(DATA, batch_size=7, seed=4, later=later) for later in (True, False))
    seen: dict[int, set[tuple[int, ...]]] = {}
    for step in range(100):
        batch = batches.batch(step)
        for event, row in by_event(batch).items():
            seen.setdefault(event, set()).add(tuple(batch["query"]["history"][row].tolist()))
        other = of_next.batch(step)
        for name in ("label", "known", "known_row"):
            np.testing.assert_array_equal(batch[name], other[name])
    every = [(0, 0), (10, 0), (11, 10), (12, 11)]
    assert [seen[event] for event in range(4)] == [set(every[: event + 1]) for event in range(4)]
    assert seen[6] == {(0, 0), (13, 0), (11, 13)}
    again = Batches(DATA, batch_size=7, seed=4, later=True)
    np.testing.assert_array_equal(again.batch(3)["query"]["history"], batches.batch(3)["query"]["history"])
    with pytest.raises(ValueError, match="later"):
        Batches(replace(DATA, ordered=False), batch_size=7, seed=4, later=True)


def test_unordered_history_has_all_events_but_the_label():
    batch = one_batch(replace(DATA, ordered=False, history_length=5))
    row = by_event(batch)
    histories = [sorted(batch["query"]["history"][row[event]].tolist()) for event in range(4, 7)]
    assert histories == [[0, 0, 0, 11, 14], [0, 0, 0, 13, 14], [0, 0, 0, 11, 13]]


def test_columns_belong_to_their_event():
    batch = one_batch(DATA)
    for event, row in by_event(batch).items():
        candidate = DATA.candidate[event]
        assert batch["label"][row] == candidate
        assert batch["candidate"]["candidate_id"][row] == 10 + candidate
        assert batch["candidate"]["year"][row] == candidate
        assert batch["query"]["user"][row] == (2 if event < 4 else 4)
        assert batch["weight"][row] == 1


def test_all_other_candidates_of_the_query_are_known():
    batch = one_batch(DATA)
    row = by_event(batch)
    known = [sorted(batch["known"][batch["known_row"] == row[event]].tolist()) for event in (0, 2, 5)]
    assert known == [[1, 2], [0, 1], [3, 4]]
    assert (np.diff(batch["known_row"]) >= 0).all()


def test_with_in_batch_negatives_only_candidates_of_the_batch_are_known():
    everything = Batches(DATA, batch_size=3, seed=5)
    batches = Batches(DATA, batch_size=3, seed=5, negatives_in_batch=True)
    left_out = 0
    for step in range(8):
        batch, whole = batches.batch(step), everything.batch(step)
        present = np.isin(whole["known"], whole["label"])
        for name in ("known", "known_row"):
            np.testing.assert_array_equal(batch[name], whole[name][present])
        left_out += int((~present).sum())
    assert left_out > 0


@pytest.mark.parametrize("kind", [Batches, WindowBatches])
def test_known_candidates_can_be_left_unmasked(kind):
    unmasked, masked = (kind(DATA, batch_size=3, seed=5, mask_known=mask).batch(0) for mask in (False, True))
    assert len(masked["known"]) > len(unmasked["known"]) == len(unmasked["known_row"]) == 0
    np.testing.assert_array_equal(unmasked["label"], masked["label"])


def test_one_query_with_most_of_the_events_does_not_make_batches_huge():
    events, candidates = 50_000, 100
    data = replace(
        DATA,
        offsets=np.array([0, events, events + 1, events + 2]),
        candidate=(np.arange(events + 2) % candidates).astype(np.int32),
        context={"device": np.arange(events + 2, dtype=np.int32)[:, None]},
        candidates={"candidate_id": np.arange(1, candidates + 1, dtype=np.int32)[:, None]},
    )
    assert len(Batches(data, batch_size=64, seed=0).batch(0)["known"]) <= 64 * candidates


def test_weights_follow_their_event():
    batch = one_batch(replace(DATA, weight=np.arange(7, dtype=np.float32)))
    np.testing.assert_array_equal(batch["weight"], batch["query"]["device"][:, 0])


def test_an_epoch_has_every_event_at_most_once_and_epochs_differ():
    batches = Batches(DATA, batch_size=3, seed=5)
    assert batches.steps_per_epoch == 2
    epochs = [
        np.concatenate([batches.batch(step)["query"]["device"][:, 0] for step in steps]).tolist()
        for steps in ((0, 1), (2, 3))
    ]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_batch_is_a_function_of_seed_and_step():
    def labels(seed: int, step: int) -> list[int]:
        return Batches(DATA, batch_size=3, seed=seed).batch(step)["query"]["device"][:, 0].tolist()

    assert labels(1, 5) == labels(1, 5)
    assert labels(1, 5) != labels(2, 5)
    resumed = next(Batches(DATA, batch_size=3, seed=1).from_step(5))
    assert resumed["query"]["device"][:, 0].tolist() == labels(1, 5)


def test_per_query_draws_n_events_of_each_query_anew_every_epoch():
    batches = Batches(DATA, batch_size=4, seed=3, examples=PerQuery(type="per_query", n=2))
    epochs = [sorted(batches.batch(step)["query"]["device"][:, 0].tolist()) for step in range(8)]
    assert batches.steps_per_epoch == 1
    assert all(len(set(epoch)) == 4 and np.searchsorted(epoch, 4) == 2 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 3


def test_recent_events_are_drawn_more_often():
    data = replace(DATA, age=np.array([3, 3, 3, 3, 1, 1, 0], np.float32))
    batches = Batches(data, batch_size=7, seed=3, examples=Recent(type="recent", half_life_days=1))
    events = np.concatenate([batches.batch(step)["query"]["device"][:, 0] for step in range(300)])
    shares = np.bincount(events, minlength=7) / len(events)
    np.testing.assert_allclose(shares, np.array([1, 1, 1, 1, 4, 4, 8]) / 20, atol=0.03)
    with pytest.raises(ValueError, match="timestamp"):
        Batches(DATA, batch_size=7, seed=3, examples=Recent(type="recent"))


def test_examples_have_their_age():
    batch = one_batch(replace(DATA, age=np.arange(7, dtype=np.float32)))
    np.testing.assert_array_equal(batch["query"]["example_age"], batch["query"]["device"])


def test_drawn_negatives_have_their_columns():
    sampler = NegativeSampler(number=20, weights=np.ones(5), seed=3)
    batches = Batches(DATA, batch_size=3, seed=3, sampler=sampler)
    batch = batches.batch(4)
    assert batch["drawn_row"].tolist() == sampler.draw(4).tolist()
    assert (batch["drawn"]["candidate_id"][:, 0] == 10 + batch["drawn_row"]).all()
    assert (batch["drawn"]["year"][:, 0] == batch["drawn_row"]).all()
    assert "drawn" not in one_batch(DATA)


def test_history_without_a_label_has_all_events_of_the_query():
    assert DATA.query_inputs(np.array([0, 1]), {})["history"].tolist() == [[10, 12], [0, 0]]


def test_without_history_there_is_no_history_input():
    data = replace(DATA, history_length=None)
    assert "history" not in data.query_inputs(np.array([0]), {})
    with pytest.raises(ValueError, match="no history"):
        data.history(np.array([0]))


def test_no_events_are_refused():
    with pytest.raises(ValueError, match="no training events"):
        Batches(replace(DATA, offsets=np.zeros(4, int), candidate=np.empty(0, np.int32)), batch_size=2, seed=0)
