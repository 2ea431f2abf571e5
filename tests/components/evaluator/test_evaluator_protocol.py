"""What the evaluation says of itself: what was seen, left out and measured on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataplane.artifacts import Model, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import Split
from dataplane.errors import DataError
from tests.components.evaluator.small_world import EVERY_GATE_OFF, A, B, C, D, Run, dataset, events, towers
from tests.components.tiny_towers import TRAINED


def test_validation_does_not_see_later_events(run: Run) -> None:
    # q0 wants c behind d, e, f; q1 wants b behind d (after c), e, f; q2 wants b behind c, d, e, f.
    assert run.metrics["validation"]["mrr@5"] == pytest.approx((1 / 4 + 1 / 4 + 1 / 5) / 3)
    assert run.metrics["protocol"]["validation"]["seen"] == ["train", "history"]
    assert run.metrics["protocol"]["test"]["seen"] == ["train", "validation", "history"]


def test_the_protocol_lists_what_was_left_out(run: Run) -> None:
    protocol = run.metrics["protocol"]
    assert protocol["test"] == {
        "events": 6,
        "queries": 3,
        "relevant": 4,
        "repeated_in_split_merged": 1,
        "already_seen_dropped": 1,
        "queries_without_events": 0,
        "queries_with_only_seen_candidates": 1,
        "seen": ["train", "validation", "history"],
        "window": ["1970-01-01T00:00:03+00:00", "1970-01-01T00:00:13+00:00"],
    }
    assert protocol["catalogue"] == {"candidates": 6, "without_training_events": 3, "date": "1970-01-01T00:00:13+00:00"}
    assert protocol["history_length"] == 2
    assert "k = 100 exceeds the 6 candidates and is clipped to them" in protocol["notes"]
    assert any("1 held-out candidates were seen before" in note for note in protocol["notes"])


def test_a_model_that_knows_the_validation_events_is_measured_on_the_test_alone(
    tmp_path: Path, graph: TransformGraph
) -> None:
    weights = np.zeros((8, 8))
    weights[C + 2, D + 2] = 1
    model = towers(tmp_path / "model", weights)
    TRAINED.model_copy(update={"refitted": True}).write(model)
    metrics = Run(tmp_path, graph, model, evaluation=EVERY_GATE_OFF | {"at": (10,), "main_at": 10}).metrics
    assert metrics["validation"] == TRAINED.validation
    assert any("before the chosen settings were fitted once more" in note for note in metrics["protocol"]["notes"])


def test_the_protocol_notes_data_without_order(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    world = dataset()
    bag = replace(world, events=replace(world.events, timestamp=None), metadata=DatasetMetadata(ordered=False))
    protocol = Run(tmp_path, graph, model, of=bag).metrics["protocol"]
    assert protocol["ordered"] is False
    assert protocol["test"]["window"] is None
    assert any("unordered set" in note for note in protocol["notes"])


def test_the_protocol_notes_histories_that_contain_later_events(
    tmp_path: Path, graph: TransformGraph, model: Model
) -> None:
    in_time = dataset(events({"train": [A, B], "validation": [C], "test": [D]}, {"train": [B]}))
    shuffled = replace(in_time, events=replace(in_time.events, split=np.array([0, 2, 1, 0, 0], np.int8)))
    for name, world, expected in (("in_time", in_time, []), ("shuffled", shuffled, ["validation: 1", "test: 1"])):
        notes = Run(tmp_path / name, graph, model, of=world).metrics["protocol"]["notes"]
        assert [note.partition(" held-out events are")[0] for note in notes if "not by time" in note] == expected


def test_only_new_queries_have_no_popularity_bias(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    run = Run(tmp_path, graph, model, of=dataset(events({"train": [A, B]}, {"test": [B]})))
    assert not any(name.startswith("popularity_bias") for name in run.metrics["test"])
    assert any("no popularity_bias" in note for note in run.metrics["protocol"]["notes"])


@pytest.mark.parametrize("queries", [({"train": [A, B], "validation": [C]},), ({"train": [A], "test": [A]},)])
def test_nothing_to_measure_on_is_an_error(
    tmp_path: Path, graph: TransformGraph, model: Model, queries: tuple[dict[Split, list[int]], ...]
) -> None:
    with pytest.raises(DataError, match="no query has a relevant candidate among its test events"):
        Run(tmp_path, graph, model, of=dataset(events(*queries)))
