"""Finds departures of the statistics from the schema.

table_missing       error    the table is in the schema and not in the data
table_new           warning  the table is in the data and not in the schema
empty_table         error    no rows
too_few_queries     error    fewer distinct query ids than needed
too_few_candidates  error    fewer distinct candidate ids than needed
column_missing      error    the column is not in the data (a warning if the schema does not require values)
column_new          warning  the column is not in the schema
wrong_type          error    another type than in the schema
all_missing         warning  no row has a value (an error if the schema requires values)
too_many_missing    error    fewer rows have a value than the schema requires
nan_values          error    more NaN or infinite values than tolerated (a warning if tolerated)
unseen_values       error    more strings outside the domain than tolerated (a warning if tolerated)
out_of_range        error    numbers below or above the bounds of the domain
list_length         error    lists of another length than the vector's (a warning if the schema allows a range)
constant_timestamp  warning  all events have the same timestamp, so they have no order
ids_disjoint        error    a table of queries or candidates has almost none of the interactions' ids
ids_misspelt        warning  the table has some ids only in another spelling (an error if more than it has as they are)
few_ids_described   warning  the table has few of the interactions' ids
"""

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from dataplane.artifacts.anomalies import Anomaly
from dataplane.artifacts.statistics import ColumnReport, TableReport
from dataplane.statistics.coverage_anomalies import DescribedLimits, coverage_findings
from dataplane.statistics.tfmd import ColumnSchema, TableSchemas

_Severity: TypeAlias = Literal["error", "warning"]
_Finding: TypeAlias = tuple[str, _Severity, str]
"""Kind, severity and message."""


def find_anomalies(
    statistics: Mapping[str, TableReport],
    schema: TableSchemas,
    *,
    max_nan_fraction: float,
    max_unseen_fraction: float,
    min_queries: int,
    min_candidates: int,
    described: Mapping[str, DescribedLimits],
) -> list[Anomaly]:
    """All anomalies, errors before warnings, otherwise in the order of tables and columns.

    Args:
        statistics: of each table.
        schema: expected columns.
        max_nan_fraction: share of values that may be NaN or infinite.
        max_unseen_fraction: share of values that may lie outside a string domain.
        min_queries: distinct queries the interactions must have.
        min_candidates: distinct candidates the interactions must have.
        described: limits by table for the share of the interactions' ids that the table must describe.
    """
    found = [*_tables(statistics, schema), *_amounts(statistics, min_queries, min_candidates)]
    found += _coverage(statistics, described)
    for table, report in statistics.items():
        expected, present = schema.get(table), report.columns
        for name in sorted({*present, *(expected or {})}) if report.rows else ():
            findings = [*_nan_values(present[name], max_nan_fraction)] if name in present else []
            if expected is not None:
                departures = _departures(present.get(name), expected.get(name), report.rows, max_unseen_fraction)
                findings = [*findings, *departures]
            found += [_anomaly(table, name, *finding) for finding in findings]
    return sorted(found, key=lambda anomaly: anomaly.severity != "error")


def _tables(statistics: Mapping[str, TableReport], schema: TableSchemas) -> Iterator[Anomaly]:
    for table in sorted({*statistics, *schema}):
        if table not in statistics:
            yield _anomaly(table, None, "table_missing", "error", "the table is in the schema and not in the data")
        elif not statistics[table].rows:
            yield _anomaly(
                table, None, "empty_table", "error", "has no rows; is the source empty, or were all rows rejected?"
            )
        elif table not in schema:
            yield _anomaly(table, None, "table_new", "warning", "the table is not in the schema")


def _amounts(statistics: Mapping[str, TableReport], min_queries: int, min_candidates: int) -> Iterator[Anomaly]:
    interactions = statistics["interactions"]
    for name, noun, least in (("query_id", "queries", min_queries), ("candidate_id", "candidates", min_candidates)):
        if interactions.rows and name in interactions.columns:
            distinct = interactions.columns[name].distinct
            if distinct < least:
                message = f"has {distinct} distinct {noun}; at least {least} are needed (validation.min_{noun})"
                yield _anomaly("interactions", name, f"too_few_{noun}", "error", message)
    times = interactions.columns.get("timestamp")
    if interactions.rows > 1 and times is not None and times.min is not None and times.min == times.max:
        message = "all events have the same timestamp, so they have no order in time"
        yield _anomaly("interactions", "timestamp", "constant_timestamp", "warning", message)


def _coverage(statistics: Mapping[str, TableReport], described: Mapping[str, DescribedLimits]) -> Iterator[Anomaly]:
    for table, limits in described.items():
        coverage = statistics[table].ids if table in statistics else None
        if coverage is not None:
            for finding in coverage_findings(coverage, limits, f"validation.described_{table}"):
                yield _anomaly(table, coverage.column, *finding)


def _departures(
    facts: ColumnReport | None, column: ColumnSchema | None, rows: int, max_unseen_fraction: float
) -> Iterator[_Finding]:
    """Departures of a column from its schema; at most one of `facts` and `column` may be None."""
    if column is None:
        yield "column_new", "warning", "the column is not in the schema"
    elif facts is None:
        severity: _Severity = "error" if column.min_fraction or column.min_count else "warning"
        yield "column_missing", severity, "the column is in the schema and not in the data"
    elif facts.type != column.type:
        yield "wrong_type", "error", f"is {facts.type}; the schema requires {column.type}"
    else:
        yield from _missing(facts, column, rows)
        yield from _lengths(facts, column)
        yield from _unseen(facts, column, max_unseen_fraction)
        yield from _range(facts, column)


def _missing(facts: ColumnReport, column: ColumnSchema, rows: int) -> Iterator[_Finding]:
    present = rows - facts.missing
    least = max(column.min_fraction * rows, column.min_count)
    if not present:
        yield "all_missing", "error" if least else "warning", f"none of {rows} rows has a value"
    elif present < least:
        message = f"{facts.missing} of {rows} rows have no value; the schema requires one in at least {least:.10g}"
        yield "too_many_missing", "error", message


def _nan_values(facts: ColumnReport, tolerated: float) -> Iterator[_Finding]:
    count = facts.nan + facts.infinite
    if count:
        fraction = count / facts.elements
        severity: _Severity = "error" if fraction > tolerated else "warning"
        message = f"{count} of {facts.elements} values ({_percent(fraction)}) are NaN or infinite"
        yield "nan_values", severity, f"{message}; tolerated: {_percent(tolerated)} (validation.max_nan_fraction)"


def _lengths(facts: ColumnReport, column: ColumnSchema) -> Iterator[_Finding]:
    shortest, longest = facts.list_length.min, facts.list_length.max
    if shortest is None or longest is None:
        return
    low, high = column.min_length or 0, column.max_length
    if shortest < low or (high is not None and longest > high):
        severity: _Severity = "error" if low == high else "warning"
        expected = f"{low}" if low == high else f"{low} to {'any number of' if high is None else high}"
        yield "list_length", severity, f"lists have {shortest} to {longest} elements; the schema requires {expected}"


def _unseen(facts: ColumnReport, column: ColumnSchema, tolerated: float) -> Iterator[_Finding]:
    if column.domain is None or not facts.elements:
        return
    domain, top = set(column.domain), facts.top_values or ()
    outside = [value for value in top if value.value not in domain]
    # Listed values are compared. Of the unlisted ones, those that cannot all be in the domain occur at least once each.
    unlisted = facts.distinct - len(top) - (len(domain) - (len(top) - len(outside)))
    count = sum(value.count for value in outside) + max(0, unlisted)
    if count:
        fraction = count / facts.elements
        examples = f", such as '{outside[0].value}'" if outside else ""
        message = f"at least {count} values ({_percent(fraction)}) are outside the schema's domain{examples}"
        severity: _Severity = "error" if fraction > tolerated else "warning"
        yield "unseen_values", severity, f"{message}; tolerated: {_percent(tolerated)} (validation.max_unseen_fraction)"


def _range(facts: ColumnReport, column: ColumnSchema) -> Iterator[_Finding]:
    if facts.min is None or facts.max is None:
        return
    if column.low is not None and facts.min < column.low:
        yield "out_of_range", "error", f"the smallest value is {facts.min}; the schema allows {column.low} or more"
    if column.high is not None and facts.max > column.high:
        yield "out_of_range", "error", f"the largest value is {facts.max}; the schema allows {column.high} or less"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def _anomaly(table: str, column: str | None, kind: str, severity: _Severity, message: str) -> Anomaly:
    return Anomaly(table=table, column=column, kind=kind, severity=severity, message=message)
