"""Runs the ingestion: plans every table, runs the Beam pipelines, and checks the row counts."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dataplane.artifacts import Examples
from dataplane.context import ExecutionContext
from dataplane.errors import DataError
from dataplane.sources.config import (
    FromInteractions,
    MappedInteractions,
    SyntheticInteractions,
)
from dataplane.sources.files import Snapshot
from dataplane.sources.formats.synthetic import SyntheticReader
from dataplane.sources.ingestion.discover import Discovered, UndiscoveredTable, discover
from dataplane.sources.ingestion.ingest import Table, read_entities, read_interactions
from dataplane.sources.ingestion.outcome import conclude
from dataplane.sources.ingestion.piece_cleaning import ID_COLUMNS, Folders
from dataplane.sources.ingestion.piece_rows import rows_of
from dataplane.sources.ingestion.plan import TablePlan, first_value, plan_entities, plan_interactions
from dataplane.sources.ingestion.reports import read_reports, report_name
from dataplane.sources.readers import make_reader
from dataplane.sources.snapshots import Sources, require_same_files
from dataplane.watching import watched


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
    clear(output)
    with context.scratch_directory() as scratch:
        derived = derived_tables(sources)
        tables = read_plans(sources, derived, files, scratch, context)
        folders = Folders.below(scratch, output)
        pieces = (piece for table in tables.values() for piece in table.pieces)
        written = {folders.reports / report_name(piece): piece.size for piece in pieces}
        with watched(context.progress, written, "bytes"), context.beam.pipeline() as pipeline:
            for name, table in tables.items():
                if name == "interactions":
                    read_interactions(pipeline, table, derived, folders)
                else:
                    read_entities(pipeline, table, folders)
        check_complete(tables.values(), folders.reports)
        parts = read_reports(folders.reports)
    plans = {name: table.plan for name, table in tables.items()}
    return conclude(parts, plans, derived, max_bad_fraction=max_bad_fraction, output=output)


def clear(output: Examples) -> None:
    """Makes the directory of the output, and removes the shards of an earlier attempt."""
    output.path.mkdir(parents=True, exist_ok=True)
    for folder in ("interactions", *ID_COLUMNS, "dead_letters"):
        shutil.rmtree(output.path / folder, ignore_errors=True)


def derived_tables(sources: Sources) -> dict[str, list[str]]:
    """Source columns of each table that is derived from the interactions, by its name."""
    return {name: source.columns for name, source in sources.items() if isinstance(source, FromInteractions)}


def read_plans(
    sources: Sources, derived: Mapping[str, list[str]], files: Snapshot, scratch: Path, context: ExecutionContext
) -> dict[str, Table]:
    """Plans each table that is read, after looking at its columns.

    Raises:
        DataError: a file is broken, or the columns do not suit the settings.
    """
    interactions = sources.get("interactions")
    if isinstance(interactions, SyntheticInteractions):
        readers = [SyntheticReader(name, interactions) for name in ("interactions", *ID_COLUMNS)]
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
        name: Table(table.reader, plan_of(name, table, found[name], derived), table.pieces)
        for name, table in undiscovered.items()
    }


def plan_of(name: str, table: UndiscoveredTable, found: Discovered, derived: Mapping[str, list[str]]) -> TablePlan:
    """Plans a table whose columns are known.

    Raises:
        DataError: the columns do not suit the settings.
    """
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


def check_complete(tables: Iterable[Table], reports: Path) -> None:
    """Checks that there is a report on every piece.

    Raises:
        AssertionError: a piece was not read, which is a fault of this code.
    """
    for piece in (piece for table in tables for piece in table.pieces):
        if not (reports / report_name(piece)).exists():
            raise AssertionError(f"nobody read piece {piece.index} of {piece.table}, {piece.name}")
