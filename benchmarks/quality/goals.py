"""What the systems have to show on each data set."""

import math
from collections.abc import Iterator

import numpy as np

from benchmarks.harness.report import Goal
from benchmarks.quality.comparison import Comparison
from benchmarks.quality.names import AUTO, BAG, CLOSED_FORM, DEFAULT, ID_ONLY
from benchmarks.quality.runs import Method

_HIGHEST = {"ml-100k": (0.21, 0.112), "ml-1m": (0.315, 0.182)}
"""Test hit rate and NDCG at 10 that the best system has to reach."""
_STRONG = ("iALS", "item-kNN")


def goals_of(comparison: Comparison) -> Iterator[Goal]:
    """The goals that the methods measured allow."""
    name, best = comparison.name, comparison.best(baseline=False)
    if best is None:
        return
    if name in _HIGHEST:
        for metric, limit in zip(comparison.metrics, _HIGHEST[name], strict=True):
            text = f"{name}: test {metric} of the system that validation names ({best.name}) ≥ {limit}"
            yield Goal.at_least(text, best.test(metric), limit)
    if name == "beauty":
        for baseline in _STRONG:
            yield from _beats(comparison, best, baseline, 1.0)
    default = comparison.method(DEFAULT)
    if name == "untuned" and default is not None:
        yield from _beats(comparison, default, "popularity", 2.0)
        for baseline in _STRONG:
            yield from _beats(comparison, default, baseline, 1.0)
    if comparison.is_cold and default is not None:
        yield from _cold_goals(comparison, default)
    auto = comparison.method(AUTO)
    if auto is not None and not comparison.is_cold:
        yield from _auto_goals(comparison, auto)


def quick_goals(comparison: Comparison) -> Iterator[Goal]:
    """Two epochs beat chance, no more."""
    default, chance = comparison.method(DEFAULT), comparison.chance
    if default is not None and chance:
        metric = f"recall@{comparison.source.at}"
        times = default.test(metric) / chance
        yield Goal.at_least(f"{comparison.name}: {metric} after two epochs, ≥ 1.5 × chance", times, 1.5)


def _auto_goals(comparison: Comparison, auto: Method) -> Iterator[Goal]:
    """What validation names is not below a recipe or a classical method by more than a standard error."""
    metric = comparison.source.metric.partition("@")[0]
    for name in (ID_ONLY, BAG, CLOSED_FORM, *_STRONG, "EASE"):
        other = comparison.method(name)
        if other is not None:
            difference = auto.per_query[metric] - other.per_query[metric]
            error = float(np.std(difference, ddof=1)) / math.sqrt(len(difference))
            text = f"{comparison.name}: {metric} of auto less that of {name}, in standard errors"
            yield Goal.at_least(text, float(np.mean(difference)) / max(error, 1e-9), -1.0)


def _beats(comparison: Comparison, method: Method, other: str, times: float) -> Iterator[Goal]:
    baseline = comparison.method(other)
    if baseline is None:
        return
    for metric in comparison.metrics:
        ratio = method.test(metric) / max(baseline.test(metric), 1e-9)
        text = f"{comparison.name}: {metric} of {method.name} ≥ {times:g} × that of {baseline.name}"
        yield Goal.at_least(text, ratio, times)


def _cold_goals(comparison: Comparison, default: Method) -> Iterator[Goal]:
    name, chance, cold = comparison.name, comparison.chance, comparison.cold(default)
    recalls = {"query": cold.query}
    # Withheld at random, new candidates compete with popular ones that are likelier, whatever their features. An
    # accurate ranking has them further down, and only their order among themselves tells what features are worth.
    if not comparison.source.withheld:
        recalls = {"candidate": cold.candidate, "query": cold.query}
    for side, found in recalls.items():
        if found is not None and chance:
            text = f"{name}: recall by features of what is new, {side} side, ≥ 2 × chance"
            yield Goal.at_least(text, found / chance, 2.0)
    text = f"{name}: order of new candidates among themselves, AUC"
    if cold.auc is not None:
        yield Goal.at_least(f"{text}, by features ≥ 0.6", cold.auc, 0.6)
    blind = comparison.method(ID_ONLY)
    blind_auc = None if blind is None else comparison.cold(blind).auc
    if blind_auc is not None:
        # By ids alone all new candidates are alike up to rounding: chance is 0.5.
        yield Goal.at_most(f"{text}, by ids alone ≤ 0.51", blind_auc, 0.51)
