"""The optional baselines on the small world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import components.evaluator.baselines
from dataplane.artifacts import Model, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from tests.components.evaluator.small_world import AT, WORLD, Run, dataset

DAY = 86_400_000_000


def test_optional_baselines_are_measured_beside_the_others(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    days = np.array([0, 1, 30, 31, 0, 2, 30, 31, 0, 30, 31, 31, 31, 31])
    timed = replace(dataset(), events=replace(WORLD, timestamp=DAY * days))
    optional = ("recent_popularity", "ease", "ials")
    run = Run(tmp_path, graph, model, of=timed, evaluation={"at": AT, "main_at": 5, "baselines": optional})
    assert tuple(run.metrics["baselines"]) == optional
    assert all(values.keys() == run.metrics["test"].keys() for values in run.metrics["baselines"].values())
    for name in optional:
        assert run.metrics["intervals"][f"test_minus_{name}"].keys() >= {"mrr@5", "ndcg@5"}
    # The last week of what is known has b twice and c once, so a comes third. q0 wants d and q1 e, and only three
    # candidates without events are left; q3 wants f and b.
    assert run.metrics["baselines"]["recent_popularity"]["mrr@5"] == pytest.approx((1 / 3 + 1 / 3 + 1) / 3)


def test_a_baseline_that_does_not_suit_the_data_is_skipped_with_a_reason(
    tmp_path: Path, graph: TransformGraph, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components.evaluator.baselines, "MAX_EASE_CANDIDATES", 5)
    bag = replace(dataset(), events=replace(WORLD, timestamp=None), metadata=DatasetMetadata(ordered=False))
    run = Run(tmp_path, graph, model, of=bag, evaluation={"baselines": ["recent_popularity", "ease"]})
    assert run.metrics["baselines"] == {
        "recent_popularity": {"skipped": "the events have no timestamps"},
        "ease": {"skipped": "it would invert a matrix of 6 candidates, more than the limit of 5"},
    }
