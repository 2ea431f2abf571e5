"""The measured values of a model card: metrics with intervals, baselines, the served model, slices and the index."""

from collections.abc import Iterator

from components.pusher.card_facts import CardFacts
from dataplane.artifacts.evaluation import Bounds, Means, Metrics, ServedMetrics, Skipped, SliceTable
from dataplane.artifacts.model_card import ConfidenceInterval, PerformanceMetric

_FAMILIES = ("history_length", "query", "candidate")


def performance_metrics(facts: CardFacts) -> Iterator[PerformanceMetric]:
    """The test metrics first, the slices last."""
    if facts.metrics is not None:
        yield from _of(facts.metrics.test, facts.metrics.intervals.test)
        yield from _compared(facts.metrics)
    if facts.index is not None:
        for name, recall in facts.index.recall.items():
            yield PerformanceMetric(type=f"{name} of the index against exact search", value=recall)
    if facts.metrics is not None:
        for family in _FAMILIES:
            yield from _slices(family, getattr(facts.metrics.slices, family))
        for feature, table in facts.metrics.slices.features.items():
            yield from _slices(f"feature {feature}", table)


def _of(means: Means, bounds: Bounds, suffix: str = "") -> Iterator[PerformanceMetric]:
    for name, value in means.items():
        found = bounds.get(name)
        interval = ConfidenceInterval(lower_bound=found[0], upper_bound=found[1]) if found else None
        yield PerformanceMetric(type=name + suffix, value=value, confidence_interval=interval)


def _compared(metrics: Metrics) -> Iterator[PerformanceMetric]:
    """Metrics of the baselines and of the served model, and the differences that have intervals."""
    for baseline, means in metrics.baselines.items():
        if not isinstance(means, Skipped):
            yield from _of(means, {}, f" of {baseline}")
    for baseline, other in metrics.baselines.items():
        if not isinstance(other, Skipped):
            lifts = metrics.intervals.minus(baseline)
            known = [name for name in lifts if name in metrics.test and name in other]
            lift = {name: metrics.test[name] - other[name] for name in known}
            yield from _of(lift, lifts, f" minus {baseline}")
    served = metrics.published
    if isinstance(served, ServedMetrics):
        yield from _of(served.test, {}, f" of version {served.version}")
        gained = {name: served.model[name] - served.test[name] for name in served.intervals}
        yield from _of(gained, served.intervals, f" minus version {served.version}")


def _slices(family: str, table: SliceTable) -> Iterator[PerformanceMetric]:
    for part, values in table.items():
        for name, value in values.items():
            yield PerformanceMetric(type=name, value=value, slice=f"{family}: {part}")
