"""What came of an ingestion: checks of the row counts, the summary, and the facts that a run shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataplane.artifacts import Examples
from dataplane.artifacts.examples import IngestSummary, TableRows
from dataplane.errors import DataError
from dataplane.sources.ingestion.clean import SHARED_ZONE
from dataplane.sources.ingestion.piece_cleaning import ID_COLUMNS
from dataplane.sources.ingestion.pivot import check_properties
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.ingestion.reports import Report, check_counts
from dataplane.sources.reading import NOT_TEXT, REPEATED_HEADER

_EXAMPLES_OF_REASONS = 5
_HINTS = {
    NOT_TEXT: "set 'encoding' for delimited text, or 'bytes_as: hex' for bytes in Parquet files; JSON must be UTF-8",
    SHARED_ZONE: "write the zone as +01:00, Europe/Berlin or UTC in the files",
    "timestamp cannot be read as": "set its format in 'date_formats', such as {at: \"%d.%m.%Y %H:%M\"}, or its unit in "
    "'time_unit'",
    "cannot be read as": "set its format in 'date_formats', such as {at: \"%d.%m.%Y %H:%M\"}",
    "is not a number": "for a number with commas, name the column in 'decimal_commas' or 'thousands_commas'; for a "
    "missing value, list the text in 'null_values'",
}
"""Hint for each kind of reason. The first entry whose words occur in the reason applies."""


def conclude(
    parts: list[Report],
    plans: Mapping[str, TablePlan],
    derived: Mapping[str, list[str]],
    *,
    max_bad_fraction: float,
    output: Examples,
) -> dict[str, Any]:
    """Checks the rows of all tables, writes the summary and returns the facts of the run.

    Args:
        parts: reports of the workers, in the order of the pieces.
        plans: plan of each table that was read.
        derived: source columns of each derived table.
        max_bad_fraction: largest share of dead rows in a table.
        output: the written shards.

    Raises:
        DataError: a file is broken, a table has no usable row, or too many rows are unusable.
    """
    reports = _totals(parts, [*plans, *derived])
    check_counts(reports, output.path)
    for report in reports.values():
        require_usable_rows(report, max_bad_fraction, output.path / "dead_letters")
    for name, plan in plans.items():
        if plan.pivot is not None:
            check_properties(plan, [part for part in parts if part.table == name])
    _summary(reports, plans, derived).write(output)
    return _facts(reports, plans)


def _totals(reports: list[Report], tables: list[str]) -> dict[str, Report]:
    errors = [report.error for report in reports if report.error]
    if errors:
        raise DataError("\n".join(errors[:_EXAMPLES_OF_REASONS]))
    totals = {table: Report(table) for table in tables}
    for report in reports:
        totals[report.table].add(report)
    return totals


def require_usable_rows(report: Report, max_bad_fraction: float, letters: Path) -> None:
    """Checks that a table has rows, and not too many unusable ones.

    Raises:
        DataError: it has not.
    """
    if report.rows_in == 0:
        raise DataError(f"{report.table} has no rows")
    require_few_dead_rows(report, max_bad_fraction, letters, report.table)
    if report.rows_out == 0:
        raise DataError(
            f"no row of {report.table} is left: {report.rows_in} read, {report.dead} unusable, "
            f"{report.filtered} below min_weight or not before pivot.before\n{_reasons(report)}".rstrip()
        )


def require_few_dead_rows(report: Report, max_bad_fraction: float, letters: Path, what: str) -> None:
    """Checks the share of unusable rows.

    Args:
        report: row counts.
        max_bad_fraction: largest share of dead rows, from 0 to 1.
        letters: directory of the dead rows, for the message.
        what: what the counts are of, for the message.

    Raises:
        DataError: there are too many.
    """
    unusable = report.dead - report.reasons[REPEATED_HEADER]
    if unusable > max_bad_fraction * report.rows_in:
        raise DataError(
            f"{unusable} of {report.rows_in} rows of {what} are unusable, more than "
            f"max_bad_fraction ({max_bad_fraction:g}) allows:\n{_reasons(report)}\n"
            f"{letters} has all of them until the next run"
        )


def _reasons(report: Report) -> str:
    return "\n".join(
        f"  {count} x {reason}{_hint(reason)}, such as {report.examples[reason]}"
        for reason, count in report.reasons.most_common(_EXAMPLES_OF_REASONS)
    )


def _hint(reason: str) -> str:
    return next((f" ({hint})" for words, hint in _HINTS.items() if words in reason), "")


def _summary(
    reports: Mapping[str, Report], plans: Mapping[str, TablePlan], derived: Mapping[str, list[str]]
) -> IngestSummary:
    columns = {name: plan.output_types() for name, plan in plans.items()}
    for name, described in derived.items():
        types = {column: plans["interactions"].kept_type(column) for column in described}
        columns[name] = {ID_COLUMNS[name]: "string", **types}
    rows = {name: _rows(report) for name, report in reports.items()}
    return IngestSummary(tables=rows, columns=columns, derived=tuple(derived))


def _rows(report: Report) -> TableRows:
    rows = TableRows(
        rows_in=report.rows_in,
        out=report.rows_out,
        dead=report.dead,
        filtered=report.filtered,
        reasons=dict(sorted(report.reasons.items())),
    )
    return rows.model_copy(update={"merged": report.merged}) if report.merged else rows


def _facts(reports: Mapping[str, Report], plans: Mapping[str, TablePlan]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, report in reports.items():
        facts[name] = report.rows_out
        if report.dead:
            facts[f"{name}_dead"] = report.dead
        if report.filtered:
            facts[f"{name}_filtered"] = report.filtered
        if report.merged:
            facts[f"{name}_merged"] = report.merged
    if "interactions" in plans and plans["interactions"].time_unit is not None:
        facts["time_unit"] = plans["interactions"].time_unit
    dropped = {name: dict(plan.dropped) for name, plan in plans.items() if plan.dropped}
    if dropped:
        facts["columns_left_out"] = dropped
    if notes := [_dead_rows(report) for report in reports.values() if report.dead]:
        facts["notes"] = notes
    return facts


def _dead_rows(report: Report) -> str:
    """The dead rows of a table in one line, with the first of the most frequent reason."""
    (reason, count), *others = report.reasons.most_common()
    rest = f", {report.dead - count:,} for other reasons" if others else ""
    return (
        f"{report.dead:,} of {report.rows_in:,} rows of {report.table} are unusable and in dead_letters: "
        f"{count:,} x {reason}, such as {report.examples[reason]}{rest}"
    )
