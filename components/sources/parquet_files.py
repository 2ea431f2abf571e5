"""Parquet: pieces are runs of row groups, column types come from the footers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import DataError
from components.sources.column_types import name_of
from components.sources.config import ParquetEntities, ParquetInteractions
from components.sources.files import SourceFile, source_files
from components.sources.reading import Piece, Rows

_ROWS_PER_PIECE = 1_000_000
_ROWS_PER_BATCH = 131_072


@dataclass(frozen=True)
class ParquetReader:
    """Reads a table from Parquet files."""

    table: str
    source: ParquetInteractions | ParquetEntities
    base_dir: Path | None

    def pieces(self) -> list[Piece]:
        """Runs of row groups of about a million rows."""
        cuts = [cut for file in source_files(self.source, self.base_dir) for cut in _cuts(file)]
        return [
            Piece(self.table, index, str(file.path), file.name, file.split, groups, first_row, size)
            for index, (file, groups, first_row, size) in enumerate(cuts)
        ]

    def types(self, pieces: Sequence[Piece]) -> dict[str, set[str]]:
        """Types from the schema of every file."""
        types: dict[str, set[str]] = {}
        for path, name in dict.fromkeys((piece.file, piece.name) for piece in pieces):
            for column in _open(Path(path), name).schema_arrow:
                types.setdefault(column.name, set()).add(name_of(column.type))
        return types

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Record batches of the piece's row groups."""
        file = _open(Path(piece.file), piece.name)
        groups = range(*piece.part) if piece.part else range(file.num_row_groups)
        present = file.schema_arrow.names
        wanted = present if columns is None else [name for name in present if name in set(columns)]
        row = piece.first_row
        try:
            for batch in file.iter_batches(_ROWS_PER_BATCH, row_groups=list(groups), columns=wanted):
                yield Rows(batch, np.arange(row, row + batch.num_rows))
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{piece.name} is damaged after row {row}: {error}") from error


def _cuts(file: SourceFile) -> Iterator[tuple[SourceFile, tuple[int, int], int, int]]:
    metadata = _open(file.path, file.name).metadata
    start = first_row = rows = size = 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        size += metadata.row_group(group).total_byte_size
        if rows >= _ROWS_PER_PIECE or group == metadata.num_row_groups - 1:
            yield file, (start, group + 1), first_row, size
            start, first_row, rows, size = group + 1, first_row + rows, 0, 0


def _open(path: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        reason = "it is empty" if path.is_file() and path.stat().st_size == 0 else str(error)
        raise DataError(f"{name} cannot be read as Parquet: {reason}") from error
