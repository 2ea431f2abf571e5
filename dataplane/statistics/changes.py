"""Finds what changed too much from earlier data to these.

drift           the share of a value, or the distribution of numbers, differs from the earlier data's
missing_drift   the share of rows with a value differs
volume          a table, or the newest span, has too few or too many rows
stale           the newest event is too old
new_ids         too many ids are new
repeats         more events repeat an earlier pair of query and candidate
time_unit       times are about a thousand or a million times as large or small: another unit

The severity of each is set in `validation.changes`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from dataplane.artifacts.anomalies import Anomaly
from dataplane.artifacts.statistics import SAMPLED_IDS, ColumnReport, TableReport
from dataplane.statistics.change_limits import ChangeLimits, FreshnessLimits, Severity, VolumeLimits
from dataplane.statistics.distances import jensen_shannon, l_infinity, new_share
from dataplane.statistics.tfmd import ColumnSchema, TableSchemas

_OTHER_UNIT = 100.0
_LEAST_SPANS = 3
"""Spans besides the newest one, below which their numbers of rows say too little."""
_IDS = ("query_id", "candidate_id")
_ORDER = "order"
_Found: TypeAlias = tuple[str | None, str, Severity, str]
"""Column, kind, severity and message."""


def changes(
    statistics: Mapping[str, TableReport],
    earlier: Mapping[str, TableReport],
    schema: TableSchemas,
    limits: ChangeLimits,
    *,
    against: str,
) -> list[Anomaly]:
    """What exceeds a limit, in the order of tables and columns.

    Args:
        statistics: of each table.
        earlier: of each table of the earlier data.
        schema: of each column; its `drift_comparator` takes the place of the limit.
        limits: how much may change.
        against: what the earlier data are, for messages.
    """
    found = []
    for table, now in statistics.items():
        before = earlier.get(table)
        if before is None or not (now.rows and before.rows):
            continue
        told = [*_volume(now, before, limits), *_repeats(now, before, limits), *_new_ids(now, before, limits)]
        for name in sorted(now.columns.keys() & before.columns.keys()):
            columns = now.columns[name], before.columns[name]
            expected = schema.get(table, {}).get(name)
            told += [(name, *it) for it in _column(name, *columns, expected, (now.rows, before.rows), limits)]
        found += [
            Anomaly(table=table, column=column, kind=kind, severity=severity, message=f"{message}, against {against}")
            for column, kind, severity, message in told
            if severity != "off"
        ]
    return found


def unusual_span(statistics: Mapping[str, TableReport], limits: VolumeLimits) -> list[Anomaly]:
    """An anomaly if the newest span has fewer or more rows than all others of the window account for.

    The others' extremes count, not their mean, because weekends and nights are not like other days and hours.
    """
    spans = statistics["interactions"].spans if "interactions" in statistics else {}
    others, severity = list(spans.values())[:-1], limits.severity
    if len(others) < _LEAST_SPANS or severity == "off":
        return []
    name, rows = list(spans.items())[-1]
    least, most = limits.min_ratio * min(others), limits.max_ratio * max(others)
    if least <= rows <= most:
        return []
    message = f"the newest span {name} has {rows:,} rows, the others of the window {min(others):,} to {max(others):,}; "
    message += f"{least:,.0f} to {most:,.0f} are allowed (validation.changes.volume)"
    return [Anomaly(table="interactions", column=None, kind="volume", severity=severity, message=message)]


def stale(statistics: Mapping[str, TableReport], limits: FreshnessLimits, now: datetime) -> list[Anomaly]:
    """An anomaly if the newest event is too old."""
    newest, severity = newest_event(statistics), limits.severity
    if newest is None or severity == "off" or not is_stale(newest, limits, now):
        return []
    message = (
        f"the newest event is of {newest.isoformat(timespec='seconds')}; its age may be {limits.max_hours:g} hours"
    )
    message += " (validation.changes.freshness.max_hours)"
    return [Anomaly(table="interactions", column="timestamp", kind="stale", severity=severity, message=message)]


def is_stale(newest: datetime | None, limits: FreshnessLimits, now: datetime) -> bool:
    """Whether the newest event is too old for the limits."""
    if newest is None or limits.max_hours is None or limits.severity == "off":
        return False
    return now - newest > timedelta(hours=limits.max_hours)


def newest_event(statistics: Mapping[str, TableReport]) -> datetime | None:
    """Time of the newest event; None if events have no times."""
    events = statistics["interactions"].events if "interactions" in statistics else None
    last = events.last if events else None
    return None if last is None else datetime.fromisoformat(last)


def _volume(now: TableReport, before: TableReport, limits: ChangeLimits) -> Iterator[_Found]:
    volume, counts = limits.volume, (now.rows, before.rows)
    of_each = "rows"
    if now.spans and before.spans:  # a window that is still growing
        counts = round(now.rows / len(now.spans)), round(before.rows / len(before.spans))
        of_each = "rows a span"
    ratio = counts[0] / max(counts[1], 1)
    for name, limit, exceeds in (
        ("min_ratio", volume.min_ratio, ratio < volume.min_ratio),
        ("max_ratio", volume.max_ratio, ratio > volume.max_ratio),
    ):
        if exceeds:
            message = f"{counts[0]:,} {of_each} are {ratio:.3g} times {counts[1]:,}; allowed: {limit:g}"
            yield None, "volume", volume.severity, f"{message} (validation.changes.volume.{name})"


def _repeats(now: TableReport, before: TableReport, limits: ChangeLimits) -> Iterator[_Found]:
    if now.events is None or before.events is None:
        return
    shares, most = (now.events.repeat_fraction, before.events.repeat_fraction), limits.repeats.max_increase
    if shares[0] - shares[1] > most:
        message = f"{shares[0]:.1%} of the events repeat an earlier pair, up from {shares[1]:.1%}; allowed: +{most:.3g}"
        yield None, "repeats", limits.repeats.severity, f"{message} (validation.changes.repeats.max_increase)"


def _new_ids(now: TableReport, before: TableReport, limits: ChangeLimits) -> Iterator[_Found]:
    if now.events is None or before.events is None:
        return
    for column, key, most in (
        ("query_id", "max_queries", limits.new_ids.max_queries),
        ("candidate_id", "max_candidates", limits.new_ids.max_candidates),
    ):
        hashes = now.events.id_hashes.get(column, ()), before.events.id_hashes.get(column, ())
        share = new_share(*hashes, size=SAMPLED_IDS)
        if share is not None and share > most:
            message = f"{share:.1%} of the ids are new; allowed: {most:.3g} (validation.changes.new_ids.{key})"
            yield column, "new_ids", limits.new_ids.severity, message


def _column(
    name: str,
    now: ColumnReport,
    before: ColumnReport,
    expected: ColumnSchema | None,
    rows: tuple[int, int],
    limits: ChangeLimits,
) -> Iterator[tuple[str, Severity, str]]:
    if now.type != before.type:  # the schema's business
        return
    drift = limits.drift
    shares = 1 - now.missing / rows[0], 1 - before.missing / rows[1]
    if abs(shares[0] - shares[1]) > drift.max_l_infinity:
        message = f"{shares[0]:.1%} of the rows have a value instead of {shares[1]:.1%}; "
        message += f"allowed: ±{drift.max_l_infinity:.3g} (validation.changes.drift.max_l_infinity)"
        yield "missing_drift", drift.severity, message
    if unit := _unit(now, before):
        yield "time_unit", limits.time_unit.severity, f"{unit} (validation.changes.time_unit)"
    elif expected is not None and (expected.drift_l_infinity or expected.drift_jensen_shannon):
        yield from _drift(now, before, expected, limits)
    elif name not in (*_IDS, _ORDER) and not _are_times(now, before):
        yield from _drift(now, before, ColumnSchema(now.type), limits)


def _drift(
    now: ColumnReport, before: ColumnReport, expected: ColumnSchema, limits: ChangeLimits
) -> Iterator[tuple[str, Severity, str]]:
    drift, comparator = limits.drift, "drift_comparator in the schema"
    value, pinned = l_infinity(now, before), expected.drift_l_infinity
    most = drift.max_l_infinity if pinned is None else pinned
    if value is not None and value[0] > most:
        message = f"the share of '{value[1]}' differs by {value[0]:.3g} (L-infinity); allowed: {most:.3g}"
        key = "validation.changes.drift.max_l_infinity" if pinned is None else comparator
        yield "drift", drift.severity if pinned is None else "error", f"{message} ({key})"
    divergence, pinned = jensen_shannon(now, before), expected.drift_jensen_shannon
    most = drift.max_jensen_shannon if pinned is None else pinned
    if divergence is not None and divergence > most and (value is None or pinned is not None):
        message = f"the Jensen-Shannon divergence of the values is {divergence:.3g}; allowed: {most:.3g}"
        key = "validation.changes.drift.max_jensen_shannon" if pinned is None else comparator
        yield "drift", drift.severity if pinned is None else "error", f"{message} ({key})"


def _are_times(now: ColumnReport, before: ColumnReport) -> bool:
    """Whether a column holds times, which are others every night."""
    medians = [column.quantiles.get("0.5", 0) for column in (now, before)]
    return now.type == "timestamp" or all(unit_of(median) for median in medians)


def _unit(now: ColumnReport, before: ColumnReport) -> str:
    """What changed if a column of times has another unit; "" otherwise."""
    median, earlier = now.quantiles.get("0.5", 0), before.quantiles.get("0.5", 0)
    if min(median, earlier) <= 0 or max(median / earlier, earlier / median) < _OTHER_UNIT:
        return ""
    if now.type == "timestamp":
        return f"the median time is {median:,} microseconds instead of {earlier:,}: another unit"
    units = unit_of(median), unit_of(earlier)
    return f"times are in {units[0]} instead of {units[1]}" if all(units) else ""


def unit_of(number: float) -> str:
    """The unit in which a number would be a time between 1980 and 2096; "" if there is none."""
    for name, per_second in (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)):
        if 315_532_800 * per_second <= number < 4_000_000_000 * per_second:
            return name
    return ""
