"""Metrics of models that were never trained, and the verdicts of the gates on them."""

from typing import Any

from components.evaluator import EvaluationConfig
from components.evaluator.gates import blessing
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.evaluation import Metrics

NONE_HELD_BACK = {"events": 200, "seen_before": 0, "queries": 200, "queries_without": 0}
NOTHING_HELD_OUT = {
    "events": 0,
    "queries": 0,
    "relevant": 0,
    "repeated_in_split_merged": 0,
    "already_seen_dropped": 0,
    "queries_without_events": 0,
    "queries_with_only_seen_candidates": 0,
    "seen": [],
    "window": None,
}
PROTOCOL: dict[str, Any] = {
    "remove_seen": True,
    "ordered": True,
    "history_length": None,
    "catalogue": {"candidates": 0, "without_training_events": 0, "date": None},
    "validation": NOTHING_HELD_OUT,
    "test": NOTHING_HELD_OUT,
    "split": None,
    "definitions": {},
    "notes": [],
}
MAIN = ("recall@10", "hit_rate@10", "ndcg@10", "mrr@10")


def values(value: float) -> dict[str, float]:
    return dict.fromkeys(MAIN, value)


def measured(
    ours: float, popularity: float | None = 0.1, published: dict[str, Any] | None = None, **other: Any
) -> dict[str, Any]:
    """Content of `metrics.json`, empty except for what the gates read."""
    around = dict.fromkeys(MAIN, (ours - 0.01, ours + 0.01))
    intervals: dict[str, Any] = {"level": 0.95, "resamples": 1000, "test": around}
    if popularity is not None:
        lead = ours - popularity
        intervals["test_minus_popularity"] = dict.fromkeys(MAIN, (lead - 0.02, lead + 0.02))
    return {
        "test": values(ours),
        "baselines": {} if popularity is None else {"popularity": values(popularity)},
        "published": published or {"skipped": "nothing has been published yet"},
        "intervals": intervals,
        "not_measured": {"test": NONE_HELD_BACK},
        "validation": {},
        "slices": {"history_length": {}, "query": {}, "candidate": {}, "features": {}},
        "protocol": PROTOCOL,
    } | other


def served(value: float, ours: float, *, width: float, queries: int = 200) -> dict[str, Any]:
    lead = ours - value
    return {
        "version": 17,
        "towers": "digest",
        "queries": queries,
        "test": values(value),
        "model": values(ours),
        "intervals": dict.fromkeys(MAIN, (lead - width, lead + width)),
    }


def verdict(metrics: dict[str, Any], **config: Any) -> Verdict:
    return blessing(EvaluationConfig.model_validate(config), Metrics.model_validate(metrics))
