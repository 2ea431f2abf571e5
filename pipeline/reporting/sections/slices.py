"""Builds the table of slices, sorted by their effect on the mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dataplane.artifacts.evaluation import Metrics, SliceTable
from pipeline.reporting.facts import RunFacts

_MOST = 40
_NAMES = {"history_length": "history length", "query": "query", "candidate": "candidate"}


@dataclass(frozen=True)
class SliceRow:
    """Row of a slice.

    Attributes:
        family: property by which the slices are made.
        name: value of the property.
        count: number of queries or pairs.
        unit: `queries` or `pairs`.
        share: share of the queries or pairs of the family.
        value: value of the metric.
        reference: mean of the metric over the family.
        harm: amount by which the slice lowers that mean; negative if the slice raises the mean.
    """

    family: str
    name: str
    count: int
    unit: str
    share: float
    value: float
    reference: float
    harm: float


@dataclass(frozen=True)
class SlicesView:
    """View of the slices.

    Attributes:
        metric: name of the metric.
        rows: rows, the most harmful slice first.
        largest: largest value of the metric.
        left_out: number of slices that are not shown.
    """

    metric: str
    rows: tuple[SliceRow, ...]
    largest: float
    left_out: int


def build(facts: RunFacts) -> SlicesView | None:
    """Builds the view; None without metrics."""
    metrics, name = facts.documents.metrics, facts.main_metric
    if metrics is None:
        return None
    rows = sorted(
        (row for family, table in _families(metrics) for row in _rows(family, table, name)),
        key=lambda row: -row.harm,
    )
    largest = max((row.value for row in rows), default=0.0) or 1.0
    return SlicesView(name, tuple(rows[:_MOST]), largest, max(len(rows) - _MOST, 0)) if rows else None


def _families(metrics: Metrics) -> Iterator[tuple[str, SliceTable]]:
    for field, name in _NAMES.items():
        yield name, getattr(metrics.slices, field)
    yield from metrics.slices.features.items()


def _rows(family: str, table: SliceTable, name: str) -> Iterator[SliceRow]:
    parts = {part: values for part, values in table.items() if name in values}
    if len(parts) < 2:  # the whole, which says nothing of parts
        return
    counts = {part: _count(values) for part, values in parts.items()}
    total = sum(count for count, _ in counts.values()) or 1
    reference = sum(parts[part][name] * count for part, (count, _) in counts.items()) / total
    for part, values in parts.items():
        count, unit = counts[part]
        harm = (reference - values[name]) * count / total
        yield SliceRow(family, part, count, unit, count / total, float(values[name]), reference, harm)


def _count(values: Mapping[str, int | float]) -> tuple[int, str]:
    unit = "queries" if "queries" in values else "pairs"
    return int(values.get(unit, 0)), unit
