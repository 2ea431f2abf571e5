"""Beam pipelines that read pieces of the tables, clean their rows, and write Parquet shards.

Each piece of the interactions becomes one shard, so the output does not depend on the number of workers. Queries and
candidates are shuffled by id, because an id may occur in several files.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa

from dataplane.columns.columnar import Spill, Spilled, read_spilled
from dataplane.shards import shard_path
from dataplane.sources.ingestion.clean import clean_schema, record_text
from dataplane.sources.ingestion.column_types import arrow_type
from dataplane.sources.ingestion.entities import (
    EVENT_ORDER,
    PIECE,
    ROW,
    SOURCE_ORDER,
    by_shard,
    described_by_events,
    first_of_each,
    with_source_order,
)
from dataplane.sources.ingestion.piece_cleaning import ID_COLUMNS, Folders, PieceCleaning
from dataplane.sources.ingestion.pivot import needed_rows, pivoted
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.ingestion.reports import (
    Report,
    dead_letters,
    open_dead_letters,
    open_shard,
)
from dataplane.sources.reading import Piece, Reader, Reject

_BYTES_PER_SHARD = 64 << 20
_MOST_SHARDS = 512


def shards_of_bytes(size: int) -> int:
    """Number of shards by id of a table with files of this size."""
    return min(_MOST_SHARDS, math.ceil((size + 1) / _BYTES_PER_SHARD))


@dataclass(frozen=True)
class Table:
    """A table that is read from a source.

    Attributes:
        reader: reads its pieces.
        plan: how its rows are cleaned.
        pieces: pieces of its files.
    """

    reader: Reader
    plan: TablePlan
    pieces: Sequence[Piece]

    def shards(self) -> int:
        """Number of shards by id; depends only on the size of the files."""
        return shards_of_bytes(sum(piece.size for piece in self.pieces))


def read_interactions(
    pipeline: beam.Pipeline, table: Table, derived: Mapping[str, Sequence[str]], folders: Folders
) -> None:
    """Adds to a pipeline the steps that read interactions and derive query or candidate tables from them.

    Args:
        pipeline: receives the steps.
        table: the interactions.
        derived: source columns of each derived table, by its name.
        folders: where to write.
    """
    read = CleanInteractions(table.reader, table.plan, derived, table.shards(), folders)
    tagged = (
        pipeline
        | "Interactions" >> beam.Create(table.pieces)
        | "SpreadInteractions" >> beam.Reshuffle()
        | "CleanInteractions" >> beam.ParDo(read).with_outputs(*ID_COLUMNS)
    )
    for name, columns in derived.items():
        keep_first(tagged[name], name, columns, table.plan, folders)


def keep_first(spilled: beam.PCollection, name: str, columns: Sequence[str], plan: TablePlan, folders: Folders) -> None:
    """Adds the steps that write a derived table from (shard number, spilled rows)."""
    types = {ID_COLUMNS[name]: pa.string(), **{key: arrow_type(plan.kept_type(key)) for key in columns}}
    keep = _KeepFirst(name, pa.schema(types.items()), EVENT_ORDER, None, folders)
    _ = spilled | f"Group_{name}" >> beam.GroupByKey() | f"First_{name}" >> beam.ParDo(keep)


def read_entities(pipeline: beam.Pipeline, table: Table, folders: Folders) -> None:
    """Adds to a pipeline the steps that read a query or candidate table.

    The first row of each id is kept. A table in long form is pivoted to one row per id.
    """
    name = table.plan.table
    read = _CleanEntities(table.reader, table.plan, table.shards(), folders)
    files = [piece.name for piece in table.pieces]
    make: beam.DoFn = _KeepFirst(name, clean_schema(table.plan), SOURCE_ORDER, files, folders)
    if table.plan.pivot is not None:
        make = _Pivot(table.plan, folders)
    _ = (
        pipeline
        | name >> beam.Create(table.pieces)
        | f"Spread_{name}" >> beam.Reshuffle()
        | f"Clean_{name}" >> beam.ParDo(read)
        | f"Group_{name}" >> beam.GroupByKey()
        | f"First_{name}" >> beam.ParDo(make)
    )


class CleanInteractions(beam.DoFn):
    """Writes the shard of a piece. Emits (shard number, spilled rows) for each derived table, tagged with its name."""

    def __init__(
        self, reader: Reader, plan: TablePlan, derived: Mapping[str, Sequence[str]], shards: int, folders: Folders
    ) -> None:
        self._reader = reader
        self._plan = plan
        self._derived = derived
        self._shards = shards
        self._folders = folders

    def process(self, piece: Piece) -> Iterator[Any]:
        """Reads one piece."""
        firsts = self.read(piece)
        with Spill(self._folders.spilled) as spill:
            for name, table in firsts.items():
                for shard_number, part in by_shard(table, ID_COLUMNS[name], self._shards):
                    yield beam.pvalue.TaggedOutput(name, (shard_number, spill.write(part)))

    def read(self, piece: Piece) -> dict[str, pa.Table]:
        """Writes the shard; returns the first row of each id for each derived table."""
        firsts: dict[str, pa.Table] = {}
        with PieceCleaning(self._reader, self._plan, piece, self._folders) as cleaning:
            target = shard_path(self._folders.output / piece.table, piece.index)
            with open_shard(target, clean_schema(self._plan)) as shard:
                for batch, position in cleaning.batches():
                    shard.write(batch)
                    cleaning.report.rows_out += batch.num_rows
                    for name, columns in self._derived.items():
                        described = described_by_events(
                            batch, self._plan, ID_COLUMNS[name], columns, piece.index, position
                        )
                        known = [described, firsts[name]] if name in firsts else [described]
                        firsts[name], _ = first_of_each(pa.concat_tables(known), ID_COLUMNS[name], EVENT_ORDER)
        return firsts


class _CleanEntities(beam.DoFn):
    """Emits (shard number, spilled rows) for a piece of a query or candidate table."""

    def __init__(self, reader: Reader, plan: TablePlan, shards: int, folders: Folders) -> None:
        self._reader = reader
        self._plan = plan
        self._shards = shards
        self._folders = folders

    def process(self, piece: Piece) -> Iterator[tuple[int, Spilled]]:
        with (
            PieceCleaning(self._reader, self._plan.long or self._plan, piece, self._folders) as cleaning,
            Spill(self._folders.spilled) as spill,
        ):
            for batch, position in cleaning.batches():
                if self._plan.long is not None:
                    batch, position = needed_rows(batch, position, self._plan.long, cleaning.report)
                rows = with_source_order(batch, piece.index, position)
                for number, part in by_shard(rows, ID_COLUMNS[piece.table], self._shards):
                    yield number, spill.write(part)


@beam.typehints.with_output_types(str)  # emits nothing; without a declared type Beam spends a second inferring one
class _KeepFirst(beam.DoFn):
    """Writes the first row of each id in one group of ids. If `files` are given, other rows become dead letters."""

    def __init__(
        self, table: str, schema: pa.Schema, order: Sequence[str], files: Sequence[str] | None, folders: Folders
    ) -> None:
        self._table = table
        self._schema = schema
        self._order = order
        self._files = files
        self._folders = folders

    def process(self, group: tuple[int, Iterable[Spilled]]) -> None:
        number, parts = group
        rows = read_spilled(parts)
        assert rows is not None
        name = f"{self._table}-shard-{number:05d}"
        first, others = first_of_each(rows, ID_COLUMNS[self._table], self._order)
        with open_shard(shard_path(self._folders.output / self._table, number), self._schema) as shard:
            shard.write(first)
        report = Report(self._table, rows_out=first.num_rows)
        if self._files is None:
            report.rows_in = first.num_rows
        else:
            self._write_duplicates(others, self._files, report, name)
        report.write(self._folders.reports / f"{name}.json")

    def _write_duplicates(self, others: pa.Table, files: Sequence[str], report: Report, name: str) -> None:
        others = others.sort_by([(PIECE, "ascending"), (ROW, "ascending")])
        reason = f"duplicate {ID_COLUMNS[self._table]}"
        names = [files[piece] for piece in others.column(PIECE).to_pylist()]
        records = others.select(self._schema.names).to_pylist()
        dead = [
            Reject(row, reason, record_text(record))
            for row, record in zip(others.column(ROW).to_pylist(), records, strict=True)
        ]
        report.count_dead(names, dead)
        with open_dead_letters(self._folders.output / "dead_letters" / f"{name}.parquet") as shard:
            shard.write(dead_letters(self._table, names, dead))


@beam.typehints.with_output_types(str)  # as _KeepFirst
class _Pivot(beam.DoFn):
    """Writes the shard of one group of ids: one row per id, with the last value of each property."""

    def __init__(self, plan: TablePlan, folders: Folders) -> None:
        self._plan = plan
        self._folders = folders

    def process(self, group: tuple[int, Iterable[Spilled]]) -> None:
        number, parts = group
        rows = read_spilled(parts)
        assert rows is not None
        table = self._plan.table
        wide = pivoted(rows, self._plan)
        target = shard_path(self._folders.output / table, number)
        with open_shard(target, clean_schema(self._plan)) as shard:
            shard.write(wide)
        report = Report(table, rows_out=wide.num_rows, merged=rows.num_rows - wide.num_rows)
        report.write(self._folders.reports / f"{table}-shard-{number:05d}.json")
