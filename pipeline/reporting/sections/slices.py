"""Where the model is worse than on the whole, and how much that costs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dataplane.artifacts.evaluation import Metrics, SliceTable
from pipeline.reporting.facts import RunFacts

_MOST = 40
_NAMES = {"history_length": "history length", "query": "query", "candidate": "candidate"}


@dataclass(frozen=True)
class SliceRow:
    """One slice.

    Attributes:
        family: by what the parts are made.
        name: of the part.
        count: how many queries or pairs.
        unit: queries or pairs.
        share: of all queries or pairs of its family.
        value: the metric.
        reference: the mean over its family, by number.
        harm: by how much the slice lowers that mean; negative where it raises it.
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
    """The slices, the most harmful first.

    Attributes:
        metric: what is compared.
        rows: the slices.
        largest: the largest value, for the length of bars.
        left_out: how many slices are not shown.
    """

    metric: str
    rows: tuple[SliceRow, ...]
    largest: float
    left_out: int


def build(facts: RunFacts) -> SlicesView | None:
    """The slices; None if nothing was measured."""
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
