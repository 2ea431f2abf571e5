"""Turns the statistics of a table into its report in `statistics.json`.

Keys without a value (such as the mean of no numbers) are absent; see `dataplane.artifacts.statistics`.
"""

import math
from typing import Any

import numpy as np

from dataplane.artifacts.statistics import SAMPLED_IDS, ColumnReport, EventsReport, TableReport
from dataplane.statistics.column_statistics import ColumnStatistics, Extent
from dataplane.statistics.count_sketch import CountSketch
from dataplane.statistics.table_statistics import TableStatistics
from models.spec.moments import iso_moment

TOP_VALUES = 1000
QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
BUCKETS = 10


def table_report(table: TableStatistics) -> TableReport:
    """The report of one table, with its columns in the order of their names."""
    columns = {name: ColumnReport(**_column(table, name)) for name in sorted(table.columns)}
    report = TableReport(rows=table.rows, columns=columns)
    if {"query_id", "candidate_id"} <= table.columns.keys() and table.rows:
        return report.model_copy(update={"events": _events(table)})
    return report


def _column(table: TableStatistics, name: str) -> dict[str, Any]:
    column = table.columns[name]
    missing = table.rows - column.present
    report: dict[str, Any] = {
        "type": column.type,
        "missing": missing,
        "missing_fraction": missing / table.rows if table.rows else 0.0,
        "elements": column.elements,
    }
    if column.type.startswith("list"):
        report |= {"list_length": _extent(column.list_length), "null_elements": column.null_elements}
    if column.type != "list<float64>":
        report |= {"distinct": column.counts.distinct(), "exact": column.counts.complete}
    if "string" in column.type:
        report["string_length"] = _extent(column.string_length)
        if column.counts.complete:
            top = column.counts.top(TOP_VALUES)
            report["top_values"] = [{"value": value, "count": count} for value, count in top]
        return report
    return report | _numbers(table, name)


def _events(table: TableStatistics) -> EventsReport:
    queries, candidates = table.columns["query_id"].counts, table.columns["candidate_id"].counts
    per_query, per_pair = queries.counts(), table.pairs.counts()
    pairs = min(table.pairs.distinct(), table.rows)  # an estimate may exceed the number of rows
    report = EventsReport(
        queries=queries.distinct(),
        candidates=candidates.distinct(),
        pairs=pairs,
        density=pairs / (queries.distinct() * candidates.distinct()),
        repeat_fraction=1 - len(per_pair) / int(per_pair.sum()),
        single_event_query_fraction=int((per_query == 1).sum()) / len(per_query),
        events_per_query=_count_report(queries),
        events_per_candidate=_count_report(candidates),
        exact=queries.complete and candidates.complete and table.pairs.complete,
        id_hashes={"query_id": _smallest(queries), "candidate_id": _smallest(candidates)},
    )
    times = table.columns.get("timestamp")
    if times is None or times.numbers.minimum is None or times.numbers.maximum is None:
        return report
    first, last = iso_moment(int(times.numbers.minimum)), iso_moment(int(times.numbers.maximum))
    return report.model_copy(update={"first": first, "last": last})


def _smallest(ids: CountSketch) -> tuple[int, ...]:
    """The smallest hashes with 53 bits, which every JSON reader keeps."""
    kept = ids.kept.hashes[:SAMPLED_IDS] if ids.kept is not None else np.empty(0, np.uint64)
    return tuple((kept >> np.uint64(11)).tolist())


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, shares: tuple[float, ...]) -> list[Any]:
    """For each share, the smallest value up to which at least this share of the total weight lies.

    For example, `values` [1, 5, 9] with `weights` [2, 1, 1] have the 0.5-quantile 1 and the 0.75-quantile 5.

    Args:
        values: ascending, at least one, `[n]`.
        weights: positive int64 `[n]`.
        shares: between 0 and 1.
    """
    cumulative = np.cumsum(weights)
    positions = np.searchsorted(cumulative, [math.ceil(share * int(cumulative[-1])) for share in shares])
    quantiles: list[Any] = values[positions].tolist()
    return quantiles


def _numbers(table: TableStatistics, name: str) -> dict[str, Any]:
    column = table.columns[name]
    numbers = column.numbers
    report: dict[str, Any] = {"nan": numbers.nan, "infinite": numbers.infinite, "zeros": numbers.zeros}
    if not numbers.moments.count:
        return report
    report |= {"min": numbers.minimum, "max": numbers.maximum}
    report |= {"mean": numbers.moments.mean, "std": numbers.moments.std}
    values, weights = _distribution(table, column, name)
    if len(values):
        quantiles = weighted_quantiles(values, weights, QUANTILES)
        report["quantiles"] = {str(share): value for share, value in zip(QUANTILES, quantiles, strict=True)}
        # The sample may lack the extremes, which are known exactly.
        report["quantiles"] |= {"0.0": numbers.minimum, "1.0": numbers.maximum}
        report["histogram"] = _histogram(
            values, weights, total=numbers.moments.count, low=report["min"], high=report["max"]
        )
    return report


def _distribution(table: TableStatistics, column: ColumnStatistics, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ascending values with weights: all values if they were counted, else those of the sampled rows."""
    counted = column.counts.values() if column.counts.complete else None
    if counted is not None:
        values, weights = counted.to_numpy(zero_copy_only=False), column.counts.counts()
        order = np.argsort(values)
        return values[order], weights[order]
    return np.unique(table.sampled_numbers(name), return_counts=True)


def _histogram(
    values: np.ndarray, weights: np.ndarray, *, total: int, low: float, high: float
) -> list[dict[str, float]]:
    """Buckets of equal width from `low` to `high`; the counts of a sample are scaled to `total`."""
    # Not low + i · width, because the difference of two finite floats may overflow.
    edges = np.array([low * (1 - i / BUCKETS) + high * (i / BUCKETS) for i in range(BUCKETS + 1)])
    edges[-1] = high
    buckets = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BUCKETS - 1)
    counts = np.bincount(buckets, weights, BUCKETS) * (total / int(weights.sum()))
    return [{"low": float(edges[i]), "high": float(edges[i + 1]), "count": float(counts[i])} for i in range(BUCKETS)]


def _count_report(sketch: CountSketch) -> dict[str, float]:
    counts, weights = np.unique(sketch.counts(), return_counts=True)
    quantiles = weighted_quantiles(counts, weights, QUANTILES)
    mean = int(np.dot(counts, weights)) / int(weights.sum())
    return {"mean": mean} | {str(share): value for share, value in zip(QUANTILES, quantiles, strict=True)}


def _extent(extent: Extent) -> dict[str, float]:
    if extent.minimum is None or extent.maximum is None:
        return {}
    return {"min": extent.minimum, "max": extent.maximum, "mean": extent.total / extent.count}
