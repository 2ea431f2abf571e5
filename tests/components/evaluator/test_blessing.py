"""Which models of the small world are blessed, and which are refused."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.evaluator import EvaluationConfig
from dataplane.artifacts import Blessing, Evaluation, Model, TransformGraph
from dataplane.dataset.sequences import Split
from dataplane.errors import RefusedError
from tests.components.evaluator.small_world import (
    AT,
    EVERY_GATE_OFF,
    A,
    B,
    C,
    D,
    E,
    F,
    Run,
    dataset,
    events,
    towers,
)


def test_blessing_lists_every_check(run: Run) -> None:
    assert not run.blessed["blessed"]
    ndcg, mrr = run.metrics["test"]["ndcg@5"], run.metrics["test"]["mrr@5"]
    checks = [dict(check) for check in run.blessed["checks"]]
    messages = [check.pop("message") for check in checks]
    assert checks == [
        {"name": "threshold", "metric": "recall@1", "value": pytest.approx(1 / 3), "threshold": 0.3, "passed": True},
        {"name": "threshold", "metric": "ndcg@5", "value": ndcg, "threshold": 0.9, "passed": False},
        {
            "name": "lift_over_popularity",
            "metric": "mrr@5",
            "value": pytest.approx(mrr / (1 / 3)),
            "threshold": 1.5,
            "passed": True,
        },
        # Popularity has no hit, so there is no ratio; one hit is better than that.
        {"name": "lift_over_popularity", "metric": "recall@1", "value": None, "threshold": 2, "passed": True},
        {
            "name": "not_worse_than_published",
            "metric": "ndcg@5",
            "value": None,
            "threshold": None,
            "passed": True,
            "skipped": "there is no directory of published models, or there are no raw examples",
        },
    ]
    low, high = run.metrics["intervals"]["test"]["ndcg@5"]
    assert messages[1] == (
        f"ndcg@5 {ndcg:.4f} ({low:.4f} … {high:.4f}), at least 0.9 required: refused (evaluation.thresholds)"
    )
    assert f"mrr@5 {mrr:.4f} against popularity's 0.3333: {mrr - 1 / 3:+.4f}" in messages[2]
    assert messages[2].endswith("at least 1.5 times popularity required: passed")


def test_by_default_a_model_must_beat_popularity(run: Run, tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    gates = {"at": AT, "main_at": 5}
    better = Run(tmp_path / "better", graph, model, evaluation=gates)
    assert better.blessed["blessed"]
    assert [check["name"] for check in better.blessed["checks"]] == [
        "better_than_popularity",
        "not_worse_than_published",
    ]
    assert better.blessed["notes"] == [
        "validation: only 3 queries choose the model; differences may be chance",
        "test: 1 of 6 events are not measured, because their queries had the candidates before; 1 of 4 queries have no "
        "others. If queries return to candidates, set remove_seen: false",
        "test: only 3 queries are measured; differences may be chance",
    ]
    assert better.facts["notes"] == better.blessed["notes"][1:]
    # Where candidates seen before stay, the most popular one is what q2 comes back to.
    worse = Run(tmp_path / "worse", graph, model, remove_seen=False, evaluation=gates)
    (check,) = (check for check in worse.blessed["checks"] if not check["passed"])
    ours, theirs = worse.metrics["test"]["ndcg@5"], worse.metrics["baselines"]["popularity"]["ndcg@5"]
    low, high = worse.metrics["intervals"]["test_minus_popularity"]["ndcg@5"]
    assert check["message"] == (
        f"ndcg@5 {ours:.4f} against popularity's {theirs:.4f}: {ours - theirs:+.4f} ({low:.4f} … {high:.4f}), "
        "must exceed popularity: refused (evaluation.min_lift_over_popularity)"
    )
    assert worse.blessed["table"]["popularity"]["ndcg@5"] == theirs


BACK_AGAIN = events(
    {"train": [A, B], "validation": [C], "test": [D]},
    {"train": [A, B], "test": [A, B, A]},
    {"train": [B, C], "test": [C]},
    {"train": [B, A], "validation": [C], "test": [C, B]},
)
"""Three of four queries come back to what they had, in six of seven events."""


def test_most_queries_unmeasured_is_no_blessing(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    gates = EVERY_GATE_OFF | {"max_unmeasured_fraction": 0.7}
    refused = Run(tmp_path / "refused", graph, model, of=dataset(BACK_AGAIN), evaluation=gates)
    assert not refused.blessed["blessed"]
    (check,) = refused.blessed["checks"]
    assert (check["name"], check["value"], check["threshold"]) == ("unmeasured_queries", 0.75, 0.7)
    assert any("6 of 7 events are not measured" in note for note in refused.facts["notes"])
    for expected in (
        "3 of 4 queries",
        "6 of 7 test events",
        "remove_seen: false",
        "evaluation.max_unmeasured_fraction",
    ):
        assert expected in check["message"]
    assert refused.metrics["not_measured"]["test"] == {
        "events": 7,
        "seen_before": 6,
        "queries": 4,
        "queries_without": 3,
    }
    kept = Run(tmp_path / "kept", graph, model, of=dataset(BACK_AGAIN), evaluation=gates, remove_seen=False)
    assert kept.blessed["blessed"]
    assert kept.metrics["not_measured"]["test"]["seen_before"] == 0


def test_a_metric_that_only_a_gate_names_has_an_interval_too(
    tmp_path: Path, graph: TransformGraph, model: Model
) -> None:
    gates = {"at": AT, "main_at": 5, "thresholds": {"map@1": 0.1, "coverage@1": 0.1}}
    evaluated = Run(tmp_path, graph, model, evaluation=gates)
    messages = [check["message"] for check in evaluated.blessed["checks"][:2]]
    assert messages[0].startswith("map@1 0.3333 (0.0000 … 1.0000), at least 0.1")
    assert messages[1].startswith("coverage@1 0.3333, at least 0.1")


def test_no_hit_does_not_beat_a_popularity_without_hits(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    only = dataset(events({"train": [A, B], "test": [E]}))
    lift = {"min_lift_over_popularity": {"recall@1": 0}, "at": (1,), "main_at": 1}
    run = Run(tmp_path, graph, model, of=only, evaluation=lift)
    assert run.blessed["checks"][0]["passed"] is False
    assert run.metrics["validation"] == {}
    assert any(note.startswith("validation: no query has a relevant") for note in run.metrics["protocol"]["notes"])


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_model_with_nan_embeddings_is_refused(tmp_path: Path, graph: TransformGraph, number: float) -> None:
    broken = towers(tmp_path / "model", np.full((8, 8), number))
    with pytest.raises(
        RefusedError,
        match=r"query embeddings have NaN or infinite values; the first is that of query 'q0'(.|\n)*diverged",
    ):
        Run(tmp_path, graph, broken, evaluation=EVERY_GATE_OFF)
    assert Blessing(tmp_path / "blessing").read_json("blessing.json")["blessed"] is False


def test_scores_beyond_float32_are_refused(tmp_path: Path, graph: TransformGraph) -> None:
    huge = towers(tmp_path / "model", np.full((8, 8), 1.5e38))
    with pytest.raises(RefusedError, match=r"scores can overflow float32: query embeddings are up to [0-9.]+e.38"):
        Run(tmp_path, graph, huge, evaluation=EVERY_GATE_OFF)


def test_equal_query_embeddings_are_refused_with_the_table(tmp_path: Path, graph: TransformGraph) -> None:
    dead = towers(tmp_path / "model", np.tile(np.arange(8.0), (8, 1)) * 1e6)  # what a query is, hardly counts
    alike: list[dict[Split, list[int]]] = [{"train": [A, c], "test": [D]} for c in (B, C, E, F)]
    same = dataset(events(*alike))
    with pytest.raises(RefusedError) as refusal:
        Run(tmp_path, graph, dead, of=same, evaluation=EVERY_GATE_OFF)
    message = str(refusal.value)
    assert "all 4 query embeddings are equal although their histories or features differ" in message
    assert re.search(r"popularity +item_knn", message)
    assert "No setting publishes such a model" in message
    verdict = Blessing(tmp_path / "blessing").read_json("blessing.json")
    assert verdict["blessed"] is False
    assert verdict["table"]["two-tower"]["ndcg@5"] == pytest.approx((1 / math.log2(4) + 1 / math.log2(3)) / 2)
    assert Evaluation(tmp_path / "evaluation").read_json("metrics.json")["collapsed"].startswith("all 4 query")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"thresholds": {"recal@10": 0.1}}, "'thresholds' has unknown metric 'recal@10'; allowed: recall@1, recall@5"),
        ({"thresholds": {"recall@7": 0.1}}, "unknown metric 'recall@7'"),
        ({"thresholds": {"popularity_bias@10": 0.1}}, "unknown metric 'popularity_bias@10'"),
        ({"min_lift_over_popularity": {"loss": 1}}, "'min_lift_over_popularity' has unknown metric 'loss'"),
        ({"thresholds": {"recall@10": 5}}, "less than or equal to 1"),
        ({"min_lift_over_popularity": {"recall@10": -1}}, "greater than or equal to 0"),
        ({"min_lift_over_popularity": {"recall@10": 1}, "baselines": []}, "needs 'popularity' among 'baselines'"),
        ({"min_lift_over_popularity": "never"}, "Input should be 'auto'"),
        ({"min_lift_over_published": True}, "should be a valid dictionary"),
        ({"min_lift_over_published": {"coverage@10": 1}}, "'min_lift_over_published' cannot compare 'coverage@10'"),
        ({"at": [20, 50]}, "'main_at' is 10, which is not among 'at': 20, 50"),
        ({"at": [10, 10]}, "has a duplicate entry"),
        ({"at": []}, "at least one"),
        ({"at": [0, 10]}, "greater than or equal to 1"),
        ({"baselines": ["item_knn", "random"]}, "'popularity', 'item_knn', 'recent_popularity', 'ease' or 'ials'"),
        ({"min_lift_over_baselines": {"ease": {"recall@10": 1}}}, "needs 'ease' among 'baselines'"),
        (
            {"min_lift_over_baselines": {"item_knn": {"recall@7": 1}}},
            "'min_lift_over_baselines.item_knn' has unknown metric 'recall@7'",
        ),
        ({"max_unmeasured_fraction": 1.5}, "less than or equal to 1"),
        ({"threshold": {}}, "unknown key 'threshold'"),
    ],
)
def test_impossible_configurations_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        EvaluationConfig.model_validate(config)
    assert message in str(error.value)


def test_every_metric_allowed_in_a_threshold_exists(run: Run) -> None:
    with pytest.raises(ValidationError) as error:
        EvaluationConfig.model_validate({"at": AT, "main_at": 5, "thresholds": {"x": 0}})
    allowed = str(error.value).partition("allowed: ")[2].partition(" [")[0].split(", ")
    assert set(allowed) <= set(run.metrics["test"])
    assert len(allowed) == 6 * len(AT)
