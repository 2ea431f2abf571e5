"""Reads Parquet. A piece is a run of row groups; column types come from the footers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.errors import DataError
from dataplane.errors.storage_errors import reason
from dataplane.files import storage
from dataplane.sources.config import ParquetEntities, ParquetInteractions, id_columns
from dataplane.sources.files import SourceFile, unchanged
from dataplane.sources.formats.file_kinds import HEAD, foreign_to_parquet
from dataplane.sources.formats.opening import MEND_DAMAGED
from dataplane.sources.formats.parquet_columns import paths_of, read_as, selected, type_name, with_integers
from dataplane.sources.formats.struct_fields import Path
from dataplane.sources.reading import SAMPLE, Piece, Rows

_ROWS_PER_PIECE = 1_000_000
_ROWS_PER_BATCH = 131_072
_CONNECTIONS = 16
"""Number of footers read at once, because each costs a round trip to an object store."""


@dataclass(frozen=True)
class ParquetReader:
    """Reads a table from Parquet files."""

    table: str
    source: ParquetInteractions | ParquetEntities
    files: Sequence[SourceFile]

    def pieces(self) -> list[Piece]:
        """Makes pieces from runs of row groups, each of about a million rows."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            cuts = [cut for cuts in pool.map(_cuts, self.files) for cut in cuts]
        return [
            Piece(
                self.table, index, file.location, file.name, file.split, groups, first_row, size,
                file.partitions, file.version,
            )
            for index, (file, groups, first_row, size) in enumerate(cuts)
        ]  # fmt: skip

    def types(self, pieces: Sequence[Piece]) -> dict[str, dict[str, set[str]]]:
        """Types from the schema of every file, including files without rows."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            found = pool.map(lambda file: column_types(self.source, file.location, file.name), self.files)
            return dict(zip((file.name for file in self.files), found, strict=True))

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Yields record batches of the piece's row groups."""
        file = open_parquet(piece.file, piece.name)
        groups = range(*piece.part) if piece.part else range(file.num_row_groups)
        paths = {name: path for name, (path, _) in _paths(file, piece.name).items()}
        wanted = list(paths) if columns is None else [name for name in paths if name in set(columns)]
        row = piece.first_row
        try:
            for batch in file.iter_batches(_ROWS_PER_BATCH, row_groups=list(groups), columns=wanted):
                yield Rows(self._read(batch, paths, wanted, piece.name), np.arange(row, row + batch.num_rows))
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            where, why = _damaged_rows(file, groups, wanted, piece.first_row), " ".join(str(error).split())
            raise DataError(f"{piece.name} is damaged {where}: {why}; {MEND_DAMAGED}") from error

    def _read(
        self, batch: pa.RecordBatch, paths: Mapping[str, Path], wanted: Iterable[str], name: str
    ) -> pa.RecordBatch:
        try:
            batch = selected(batch, {column: paths[column] for column in wanted}, self.source.bytes_as)
            return with_integers(batch, id_columns(self.source), long_as_text=self.table == SAMPLE)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error


def _damaged_rows(file: pq.ParquetFile, groups: Iterable[int], columns: list[str], first_row: int) -> str:
    """Rows of the first row group that cannot be read, for messages."""
    for group in groups:
        rows = file.metadata.row_group(group).num_rows
        try:
            file.read_row_group(group, columns)
        except (pa.ArrowException, OSError):
            return f"in rows {first_row} to {first_row + rows - 1}"
        first_row += rows
    return "in some rows"


def _cuts(file: SourceFile) -> list[tuple[SourceFile, tuple[int, int], int, int]]:
    """Cuts a file into runs of row groups: (file, row groups, first row, bytes) of each."""
    cuts = []
    with unchanged(file.location, file.name, file.version):
        metadata = open_parquet(file.location, file.name).metadata
    start = first_row = rows = size = 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        size += metadata.row_group(group).total_byte_size
        if rows >= _ROWS_PER_PIECE or group == metadata.num_row_groups - 1:
            cuts.append((file, (start, group + 1), first_row, size))
            start, first_row, rows, size = group + 1, first_row + rows, 0, 0
    return cuts


def column_types(source: ParquetInteractions | ParquetEntities, location: str, name: str) -> dict[str, set[str]]:
    """Column types of a file after reading; see `Reader.types`.

    Args:
        source: settings of the table.
        location: path or URI of the file.
        name: name of the file in messages.

    Raises:
        DataError: the file is missing, cut short or not Parquet, or has a column name twice.
    """
    ids = id_columns(source)
    return {
        column: {type_name(read_as(kind, source.bytes_as), is_id=column in ids)}
        for column, (_, kind) in _paths(open_parquet(location, name), name).items()
    }


def _paths(file: pq.ParquetFile, name: str) -> dict[str, tuple[Path, pa.DataType]]:
    try:
        return paths_of(file.schema_arrow)
    except DataError as error:
        raise DataError(f"{name} {error}; give each column its own name") from error


def open_parquet(location: str, name: str) -> pq.ParquetFile:
    """Opens a file and reads its footer.

    Raises:
        DataError: the file is missing, cut short or not Parquet, or has a column name twice.
    """
    try:
        file = pq.ParquetFile(storage.open_random_access(location), pre_buffer=storage.is_remote(location))
    except pa.ArrowInvalid as error:
        raise _no_parquet(location, name, error) from error
    except OSError as error:
        raise DataError(f"{name} cannot be read as Parquet: {reason(error)}") from error
    _paths(file, name)
    return file


def _no_parquet(location: str, name: str, error: pa.ArrowInvalid) -> DataError:
    with storage.open_random_access(location) as file:
        head = file.read(HEAD)
    if not head:
        return DataError(f"{name} is empty; {MEND_DAMAGED}")
    found = foreign_to_parquet(head)
    if found is not None:
        return DataError(f"{name} is {found.what}, not Parquet: {found.remedy}")
    return DataError(f"{name} cannot be read as Parquet: {error}; {MEND_DAMAGED}")
