"""Beam pipelines for interactions with spans: read new spans, and derive tables from all spans of a window."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from dataplane.columns.columnar import Spill, Spilled, read_arrow, write_arrow
from dataplane.sources.ingestion.entities import PIECE, by_shard
from dataplane.sources.ingestion.ingest import CleanInteractions, Table, keep_first
from dataplane.sources.ingestion.piece_cleaning import ID_COLUMNS, Folders
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.reading import Piece


def read_spans(pipeline: beam.Pipeline, table: Table, derived: Mapping[str, Sequence[str]], folders: Folders) -> None:
    """Adds the steps that read interactions, and keep what describes derived tables in the files of `firsts_path`.

    Args:
        pipeline: receives the steps.
        table: the interactions.
        derived: source columns of each derived table, by its name.
        folders: where to write.
    """
    read = _CleanSpans(table.reader, table.plan, derived, table.shards(), folders)
    _ = (
        pipeline
        | "Spans" >> beam.Create(table.pieces)
        | "SpreadSpans" >> beam.Reshuffle()
        | "CleanSpans" >> beam.ParDo(read)
    )


def derive(
    pipeline: beam.Pipeline, name: str, columns: Sequence[str], plan: TablePlan, firsts: Sequence[tuple[int, str]],
    shards: int, folders: Folders,
) -> None:  # fmt: skip
    """Adds the steps that write a derived table from the files of `firsts_path`.

    Args:
        pipeline: receives the steps.
        name: the derived table.
        columns: its source columns.
        plan: plan of the interactions.
        firsts: number of each piece of the interactions, and its file.
        shards: number of shards, see `Table.shards`.
        folders: where to write.
    """
    spilled = (
        pipeline
        | f"Firsts_{name}" >> beam.Create(firsts)
        | f"SpreadFirsts_{name}" >> beam.Reshuffle()
        | f"SpillFirsts_{name}" >> beam.ParDo(_SpillFirsts(name, shards, folders))
    )
    keep_first(spilled, name, columns, plan, folders)


def firsts_path(directory: Path, table: str, number: int) -> Path:
    """File of the rows of a piece that describe a derived table."""
    return directory / f"{table}-firsts" / f"part-{number:05d}.arrow"


@beam.typehints.with_output_types(str)  # emits nothing; without a declared type Beam spends a second inferring one
class _CleanSpans(CleanInteractions):
    """Writes the shard of a piece, and a file of rows for each derived table."""

    def process(self, piece: Piece) -> Iterator[Any]:
        """Reads one piece."""
        for name, table in self.read(piece).items():
            write_arrow(firsts_path(self._folders.output, name, piece.index), table)
        yield from ()


class _SpillFirsts(beam.DoFn):
    """Emits (shard number, spilled rows) for a file of `firsts_path`, under the number of its piece in the window."""

    def __init__(self, table: str, shards: int, folders: Folders) -> None:
        self._table = table
        self._shards = shards
        self._folders = folders

    def process(self, first: tuple[int, str]) -> Iterator[tuple[int, Spilled]]:
        number, path = first
        if not Path(path).exists():  # the piece has no clean rows
            return
        rows = read_arrow(Path(path))
        place = rows.column_names.index(PIECE)
        rows = rows.set_column(place, PIECE, pa.array(np.full(len(rows), number, np.int32)))
        with Spill(self._folders.spilled) as spill:
            parts = [
                (shard, spill.write(part)) for shard, part in by_shard(rows, ID_COLUMNS[self._table], self._shards)
            ]
        yield from parts
