"""Builds the comparison of the model with its baselines and the served model."""

from dataclasses import dataclass

from markupsafe import Markup

from dataplane.artifacts.evaluation import Means, Metrics, ServedMetrics, Skipped
from dataplane.verdict import columns
from pipeline.reporting.charts.comparisons import Estimate, estimates_chart
from pipeline.reporting.charts.series import COLOURS, Point, Series, line_chart
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import metric

_SHOWN = ("recall", "hit_rate", "ndcg", "mrr", "map", "coverage", "popularity_bias")
_CHARTED = ("recall", "ndcg", "mrr")


@dataclass(frozen=True)
class Row:
    """Row of a metric.

    Attributes:
        name: name of the metric.
        cells: value of each ranker.
        interval: interval of the model; "" without one.
    """

    name: str
    cells: tuple[str, ...]
    interval: str


@dataclass(frozen=True)
class MetricsView:
    """View of the metrics.

    Attributes:
        columns: names of the rankers.
        rows: the metrics at the main cut-off, and recall at the largest.
        charts: charts by title.
        legend: names and colours of the rankers.
        level: level of the intervals.
        queries: number of test queries.
        skipped: skipped baselines, each with its reason.
        notes: notes on the protocol.
        definitions: definitions of the metrics.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    charts: dict[str, Markup]
    legend: tuple[tuple[str, str], ...]
    level: str
    queries: int
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    definitions: dict[str, str]


def build(facts: RunFacts) -> MetricsView | None:
    """Builds the view; None without metrics."""
    metrics = facts.documents.metrics
    if metrics is None:
        return None
    rankers = columns(metrics)
    at = facts.main_metric.partition("@")[2]
    cutoffs = sorted({int(name.partition("@")[2]) for name in metrics.test if name.startswith("recall@")})
    names = [f"{kind}@{at}" for kind in _SHOWN if f"{kind}@{at}" in metrics.test]
    names += [f"recall@{cutoffs[-1]}"] if cutoffs and f"recall@{cutoffs[-1]}" not in names else []
    charts = {f"{kind}@{at}": _estimates(metrics, rankers, f"{kind}@{at}") for kind in _CHARTED}
    charts["recall@k"] = recall_curve(rankers, cutoffs)
    return MetricsView(
        columns=tuple(rankers),
        rows=tuple(_row(metrics, rankers, name) for name in names),
        charts=charts,
        legend=tuple(zip(rankers, COLOURS, strict=False)),
        level=f"{metrics.intervals.level:.0%}",
        queries=metrics.protocol.test.queries,
        skipped=tuple(f"{n}: {it.skipped}" for n, it in metrics.baselines.items() if isinstance(it, Skipped)),
        notes=tuple(metrics.protocol.notes),
        definitions=dict(metrics.protocol.definitions),
    )


def _row(metrics: Metrics, rankers: dict[str, Means], name: str) -> Row:
    bounds = metrics.intervals.test.get(name)
    interval = f"{metric(bounds[0])} … {metric(bounds[1])}" if bounds else ""
    return Row(name, tuple(metric(values.get(name)) for values in rankers.values()), interval)


def _estimates(metrics: Metrics, rankers: dict[str, Means], name: str) -> Markup:
    estimates = []
    for (ranker, values), colour in zip(rankers.items(), COLOURS, strict=False):
        if name in values:
            low, high = _bounds(metrics, ranker, name)
            estimates.append(Estimate(ranker, values[name], low, high, colour))
    told = "; ".join(it.told for it in estimates)
    return estimates_chart(estimates, label=f"{name} of each ranker. {told}")


def _bounds(metrics: Metrics, ranker: str, name: str) -> tuple[float | None, float | None]:
    """Interval of the model; for other rankers the interval of the paired difference, around the model's value."""
    found, served = metrics.intervals, metrics.published
    if ranker == "two-tower" and name in found.test:
        return found.test[name]
    if name in (differences := found.minus(ranker)):
        low, high = differences[name]
        return metrics.test[name] - high, metrics.test[name] - low
    if ranker.startswith("served") and isinstance(served, ServedMetrics) and name in served.intervals:
        low, high = served.intervals[name]
        return served.model[name] - high, served.model[name] - low
    return None, None


def recall_curve(rankers: dict[str, Means], cutoffs: list[int]) -> Markup:
    """Recall of each ranker at each cut-off."""
    series = [
        Series(ranker, [Point(k, values[name], f"{ranker}, {name}: {metric(values[name])}")
                        for k in cutoffs if (name := f"recall@{k}") in values])
        for ranker, values in rankers.items()
    ]  # fmt: skip
    label = f"Recall at the cut-offs {', '.join(map(str, cutoffs))} of {', '.join(rankers)}"
    return line_chart(series, label=label, x="k", log_x=True, x_values=cutoffs)
