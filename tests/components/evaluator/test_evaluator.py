"""Metrics, baselines and slices of the small world, against those computed by hand."""

import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import components.evaluator.baselines
from components.evaluator import unusable_slices
from dataplane.artifacts import Model, TransformGraph
from dataplane.artifacts.answers import Answers
from models.spec.progress import Advanced
from tests.components.evaluator.small_world import (
    AT,
    CONFIG,
    FEATURES,
    Run,
)


def test_metrics_are_those_computed_by_hand(run: Run) -> None:
    # q0 finds d first. q1 wants e, behind d and, tied, f. q2 only wants what it has seen. q3 has no history, so all
    # six tie, and b and f stand behind the four it does not want.
    test = run.metrics["test"]
    gain = 1 / math.log2(6) / (1 + 1 / math.log2(3))
    assert test["recall@1"] == pytest.approx(1 / 3)
    assert test["recall@5"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert test["recall@100"] == 1
    assert test["hit_rate@5"] == 1
    assert test["mrr@5"] == pytest.approx((1 + 1 / 3 + 1 / 5) / 3)
    assert test["ndcg@5"] == pytest.approx((1 + 1 / 2 + gain) / 3)
    assert test["map@5"] == pytest.approx((1 + 1 / 3 + 1 / 5 / 2) / 3)
    assert test["coverage@1"] == pytest.approx(2 / 6)  # d, d, a
    assert test["popularity_bias@1"] == 0  # nobody trained on d


def test_baselines_are_measured_on_the_same_events(run: Run) -> None:
    # Training counts: a 3, b 1, c 1. q0 and q1 see three candidates of count 0; q3 wants b (behind a, c) and f (last).
    popularity = run.metrics["baselines"]["popularity"]
    assert popularity["mrr@5"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 3) / 3)
    assert popularity["recall@1"] == 0
    # Only a, b, c have similarities at all: as popularity for q0 and q1; q3 has no history.
    assert run.metrics["baselines"]["item_knn"]["mrr@5"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 5) / 3)
    assert all(values.keys() == run.metrics["test"].keys() for values in run.metrics["baselines"].values())


def test_slices_have_counts_and_metrics(run: Run) -> None:
    slices = run.metrics["slices"]
    assert {name: part["queries"] for name, part in slices["history_length"].items()} == {"0": 1, "1-4": 2}
    assert slices["history_length"]["0"]["mrr@5"] == pytest.approx(1 / 5)
    assert slices["query"]["new"] == {
        "queries": 1,
        **{k: v for k, v in slices["history_length"]["0"].items() if "@" in k},
    }
    assert slices["query"]["known"]["queries"] == 2
    # Pairs: d at rank 1, e at 3, f at 6 have no training event; b at 5 has one.
    assert slices["candidate"]["known"] == {
        "pairs": 1,
        "recall@5": 1.0,
        "ndcg@5": pytest.approx(1 / math.log2(6)),
        "mrr@5": pytest.approx(1 / 5),
    }
    assert slices["candidate"]["new"]["pairs"] == 3
    assert slices["candidate"]["new"]["recall@5"] == pytest.approx(2 / 3)


def test_slices_by_feature_use_the_values_names(run: Run) -> None:
    features = run.metrics["slices"]["features"]
    assert {name: part["queries"] for name, part in features["gender"].items()} == {"F": 1, "M": 1, "(missing)": 1}
    assert features["gender"]["F"]["recall@5"] == 1
    # The first held-out events of the three are number 3, 7 and 11 of all; a week has 7 days.
    assert {name: part["queries"] for name, part in features["at_weekday"].items()} == {"1": 1, "4": 1, "5": 1}
    # Relevant pairs: d drama; e without genre; f of an unknown one; b both.
    assert {name: part["pairs"] for name, part in features["genres"].items()} == {
        "Comedy": 1,
        "Drama": 2,
        "(out of vocabulary)": 1,
        "(missing)": 1,
    }


def test_facts_show_the_main_metrics_beside_popularity(run: Run) -> None:
    assert run.facts["queries"] == 3
    assert run.facts["blessed"] is False
    for row in ("test", "popularity", "item_knn"):
        assert list(run.facts[row]) == ["recall@5", "hit_rate@5", "ndcg@5", "mrr@5"]
    assert run.facts["popularity"]["mrr@5"] == run.metrics["baselines"]["popularity"]["mrr@5"]


def test_intervals_surround_the_means(run: Run) -> None:
    low, high = run.metrics["intervals"]["test"]["mrr@5"]
    assert low < run.metrics["test"]["mrr@5"] < high
    for name, baseline in run.metrics["baselines"].items():
        low, high = run.metrics["intervals"][f"test_minus_{name}"]["mrr@5"]
        assert low < run.metrics["test"]["mrr@5"] - baseline["mrr@5"] < high


def test_values_of_each_query_are_kept(run: Run) -> None:
    table = pq.read_table(run.evaluation.path / "per_query.parquet")
    assert table["query_id"].to_pylist() == ["q0", "q1", "q3"]
    assert table["mrr@5"].to_pylist() == pytest.approx([1, 1 / 3, 1 / 5])
    assert table["popularity.mrr@5"].to_pylist() == pytest.approx([1 / 3] * 3)


def test_progress_names_what_is_ranked(run: Run) -> None:
    for ranker in ("two-tower", "item_knn"):
        told = run.reports.index(f"test: {ranker} ranks 3 queries")
        assert run.reports[told + 1] == Advanced(3, 3, "queries")


def test_running_again_gives_the_same_bytes(run: Run, tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    again = Run(tmp_path, graph, model, evaluation=CONFIG)
    for name in ("metrics.json", "per_query.parquet"):
        assert (again.evaluation.path / name).read_bytes() == (run.evaluation.path / name).read_bytes()


def test_repeat_consumption_counts_when_seen_candidates_stay(
    tmp_path: Path, graph: TransformGraph, model: Model
) -> None:
    run = Run(tmp_path, graph, model, remove_seen=False, evaluation={"at": AT, "main_at": 5})
    # q2's history b, a leads nowhere: a, which it comes back to, ties with all others.
    assert run.metrics["protocol"]["test"]["queries"] == 4
    assert run.metrics["protocol"]["test"]["already_seen_dropped"] == 0
    assert run.metrics["test"]["mrr@100"] == pytest.approx((1 + 1 / 6 + 1 / 6 + 1 / 5) / 4)
    # a is the most popular and is not removed.
    assert run.metrics["baselines"]["popularity"]["recall@1"] == pytest.approx(1 / 4)


def test_item_knn_beyond_its_budget_is_skipped_with_a_reason(
    tmp_path: Path, graph: TransformGraph, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components.evaluator.baselines, "MAX_CO_OCCURRENCES", 8)
    run = Run(tmp_path, graph, model)
    assert run.metrics["baselines"]["item_knn"] == {
        "skipped": "it would take 9 pairs of events of the same query, more than the limit of 8"
    }
    assert run.facts["item_knn"] == run.metrics["baselines"]["item_knn"]
    assert run.metrics["baselines"]["popularity"]["recall@10"] == 1


def test_slices_need_features_with_distinct_values() -> None:
    assert unusable_slices(("gender", "at", "genres", "candidate_id"), FEATURES) == []
    assert unusable_slices(("age", "country"), FEATURES) == [
        "'age' is a feature without distinct values; allowed: gender, at, candidate_id, genres",
        "'country' is not a feature; allowed: gender, at, candidate_id, genres",
    ]


def test_answers_are_written_beside_the_metrics(run: Run) -> None:
    answers = Answers.read(run.evaluation)
    assert (answers.k, answers.queries) == (5, 3)
    found = {it.query_id: it for it in answers.examples}
    assert found["q0"].answers[0] == "d"
    assert found["q0"].history == ("c", "b", "a")
