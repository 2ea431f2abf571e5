"""Runs the ingestion: plans every table, runs the Beam pipelines, and checks the row counts."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dataplane.artifacts import Examples
from dataplane.artifacts.examples import IngestSummary, TableRows
from dataplane.context import ExecutionContext
from dataplane.errors import DataError
from dataplane.sources.config import (
    FromInteractions,
    MappedInteractions,
    SyntheticInteractions,
)
from dataplane.sources.files import Snapshot
from dataplane.sources.formats.synthetic import SyntheticReader
from dataplane.sources.ingestion.clean import SHARED_ZONE
from dataplane.sources.ingestion.discover import Discovered, UndiscoveredTable, discover
from dataplane.sources.ingestion.ingest import Folders, Table, read_entities, read_interactions
from dataplane.sources.ingestion.piece_rows import rows_of
from dataplane.sources.ingestion.pivot import check_properties
from dataplane.sources.ingestion.plan import TablePlan, first_value, plan_entities, plan_interactions
from dataplane.sources.ingestion.reports import Report, check_counts, read_reports, report_name
from dataplane.sources.readers import make_reader
from dataplane.sources.reading import NOT_TEXT, REPEATED_HEADER
from dataplane.sources.snapshots import Sources, require_same_files
from dataplane.watching import watched

_ID_COLUMNS = {"queries": "query_id", "candidates": "candidate_id"}
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


def ingest(
    sources: Sources, files: Snapshot, *, base_dir: Path | None, max_bad_fraction: float, output: Examples,
    context: ExecutionContext,
) -> dict[str, Any]:  # fmt: skip
    """Reads all tables into `output`.

    Args:
        sources: settings of the tables to read, by name: `interactions`, `queries`, `candidates`.
        files: listed files of each table that has files.
        base_dir: directory that relative paths start from.
        max_bad_fraction: largest share of dead rows in a table, from 0 to 1.
        output: receives the shards, the dead letters and `summary.json`.
        context: Beam runner, progress and scratch space.

    Returns:
        Facts: rows, dead rows and filtered rows of each table, the time unit, the columns left out with reasons, and a
        note for each table that has dead rows.

    Raises:
        DataError: see `ExampleGen.execute`.
    """
    require_same_files(sources, files, base_dir)
    output.path.mkdir(parents=True, exist_ok=True)
    for folder in ("interactions", *_ID_COLUMNS, "dead_letters"):  # remove shards of an earlier attempt
        shutil.rmtree(output.path / folder, ignore_errors=True)
    with context.scratch_directory() as scratch:
        derived = {name: source.columns for name, source in sources.items() if isinstance(source, FromInteractions)}
        tables = _plans(sources, derived, files, scratch, context)
        folders = Folders(output.path, scratch / "reports", scratch / "spilled")
        folders.reports.mkdir()
        pieces = (piece for table in tables.values() for piece in table.pieces)
        written = {folders.reports / report_name(piece): piece.size for piece in pieces}
        with watched(context.progress, written, "bytes"), context.beam.pipeline() as pipeline:
            for name, table in tables.items():
                if name == "interactions":
                    read_interactions(pipeline, table, derived, folders)
                else:
                    read_entities(pipeline, table, folders)
        _check_complete(tables.values(), folders.reports)
        parts = read_reports(folders.reports)
    reports = _totals(parts, [*tables, *derived])
    check_counts(reports, output.path)
    for report in reports.values():
        _require_usable_rows(report, max_bad_fraction, output.path / "dead_letters")
    plans = {name: table.plan for name, table in tables.items()}
    for name, plan in plans.items():
        if plan.pivot is not None:
            check_properties(plan, [part for part in parts if part.table == name])
    _summary(reports, plans, derived).write(output)
    return _facts(reports, plans)


def _plans(
    sources: Sources, derived: Mapping[str, list[str]], files: Snapshot, scratch: Path, context: ExecutionContext
) -> dict[str, Table]:
    interactions = sources.get("interactions")
    if isinstance(interactions, SyntheticInteractions):
        readers = [SyntheticReader(name, interactions) for name in ("interactions", *_ID_COLUMNS)]
        return {reader.table: Table(reader, reader.plan(), reader.pieces()) for reader in readers}
    undiscovered: dict[str, UndiscoveredTable] = {}
    for name, source in sources.items():
        if not isinstance(source, SyntheticInteractions | FromInteractions):
            reader = make_reader(name, source, files[name])
            pieces = reader.pieces()
            if not pieces:
                raise DataError(f"{name} has no rows")
            undiscovered[name] = UndiscoveredTable(reader, source, pieces, reader.types(pieces))
    context.progress("reading " + ", ".join(f"{name} ({len(table.pieces)})" for name, table in undiscovered.items()))
    reports = scratch / "discovered"
    reports.mkdir()
    found = discover(undiscovered, reports=reports, runner=context.beam)
    return {
        name: Table(table.reader, _plan(name, table, found[name], derived), table.pieces)
        for name, table in undiscovered.items()
    }


def _plan(name: str, table: UndiscoveredTable, found: Discovered, derived: Mapping[str, list[str]]) -> TablePlan:
    source = table.source

    def example(column: str) -> str:
        return first_value(rows_of(table.reader, piece, None, [column]) for piece in table.pieces)

    if not isinstance(source, MappedInteractions):
        return plan_entities(name, source, found.types, time_unit=found.time_unit, example=example)
    return plan_interactions(
        source,
        found.types,
        presplit=any(piece.split for piece in table.pieces),
        time_unit=found.time_unit,
        carried=dict.fromkeys(column for columns in derived.values() for column in columns),
        example=example,
    )


def _check_complete(tables: Iterable[Table], reports: Path) -> None:
    for piece in (piece for table in tables for piece in table.pieces):
        if not (reports / report_name(piece)).exists():
            raise AssertionError(f"nobody read piece {piece.index} of {piece.table}, {piece.name}")


def _totals(reports: list[Report], tables: list[str]) -> dict[str, Report]:
    errors = [report.error for report in reports if report.error]
    if errors:
        raise DataError("\n".join(errors[:_EXAMPLES_OF_REASONS]))
    totals = {table: Report(table) for table in tables}
    for report in reports:
        totals[report.table].add(report)
    return totals


def _require_usable_rows(report: Report, max_bad_fraction: float, letters: Path) -> None:
    if report.rows_in == 0:
        raise DataError(f"{report.table} has no rows")
    unusable = report.dead - report.reasons[REPEATED_HEADER]
    if unusable > max_bad_fraction * report.rows_in:
        raise DataError(
            f"{unusable} of {report.rows_in} rows of {report.table} are unusable, more than "
            f"max_bad_fraction ({max_bad_fraction:g}) allows:\n{_reasons(report)}\n"
            f"{letters} has all of them until the next run"
        )
    if report.rows_out == 0:
        raise DataError(
            f"no row of {report.table} is left: {report.rows_in} read, {report.dead} unusable, "
            f"{report.filtered} below min_weight or not before pivot.before\n{_reasons(report)}".rstrip()
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
        columns[name] = {_ID_COLUMNS[name]: "string", **types}
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
