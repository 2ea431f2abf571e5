"""Arrow tables on Beam: reading Parquet row groups, shuffling tables and writing files atomically."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from models.spec.durable import replacing

RowGroup: TypeAlias = tuple[str, int]
"""A Parquet file and the index of one of its row groups."""


def row_groups(files: Sequence[Path]) -> list[RowGroup]:
    """All row groups of the given Parquet files."""
    return [(str(path), group) for path in files for group in range(pq.read_metadata(path).num_row_groups)]


def read_row_group(row_group: RowGroup, columns: Sequence[str], dictionary: Sequence[str] = ()) -> pa.Table:
    """Reads columns of a row group, each as one chunk.

    Args:
        row_group: the row group.
        columns: names of the columns.
        dictionary: names of string columns to read dictionary-encoded.
    """
    path, group = row_group
    with pq.ParquetFile(path, read_dictionary=list(dictionary)) as file:
        return file.read_row_group(group, columns=list(columns)).unify_dictionaries().combine_chunks()


def string_columns(schema: pa.Schema, columns: Iterable[str]) -> list[str]:
    """The given columns that hold strings."""
    return [
        name
        for name in columns
        if pa.types.is_string(schema.field(name).type) or pa.types.is_large_string(schema.field(name).type)
    ]


Spilled: TypeAlias = tuple[str, int, int]
"""A table in a file that `Spill` wrote: path, offset and size in bytes."""


class Spill:
    """Writes tables one after the other into one file, each as its own Arrow stream.

    Data to be shuffled are written to the file, and Beam shuffles only their locations. Runners hold a shuffle in
    memory or send it over the network, whereas all workers see the directory. A retried bundle writes a new file.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / f"spill-{uuid.uuid4().hex}"
        self._file = self._path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, table: pa.Table) -> Spilled:
        """Appends a table; it can be read after the `with` block."""
        start = self._file.tell()
        with pa.ipc.new_stream(self._file, table.schema) as writer:
            writer.write_table(table)
        return str(self._path), start, self._file.tell() - start


def read_spilled(parts: Iterable[Spilled]) -> pa.Table | None:
    """Concatenates spilled tables into one with one chunk per column; None if there are none."""
    tables = []
    for path, start, size in parts:
        with pa.memory_map(path) as file:
            file.seek(start)
            tables.append(pa.ipc.open_stream(file.read_buffer(size)).read_all())
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks() if tables else None


def single(column: pa.ChunkedArray) -> pa.Array:
    """Converts a column to a single array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def write_arrow(path: Path, table: pa.Table) -> None:
    """Writes an uncompressed Arrow file for memory mapping. The write is atomic, so retried bundles are safe."""
    with (
        replacing(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def read_arrow(path: Path) -> pa.Table:
    """Memory-maps a file of `write_arrow`."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def write_parquet(path: Path, table: pa.Table, *, repeating: Sequence[str] | None = None) -> None:
    """Writes a Parquet file. The write is atomic, so retried bundles are safe.

    Args:
        path: path of the file.
        table: its content.
        repeating: columns, as paths in the file, to dictionary-encode; all are tried if absent.
    """
    use_dictionary = True if repeating is None else list(repeating)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", use_dictionary=use_dictionary)


class Mergeable(Protocol):
    """A state gathered from batches; the sum does not depend on the order."""

    def __add__(self, other: Self) -> Self: ...


def merge_states(states: beam.PCollection) -> beam.PCollection:
    """Adds up the `Mergeable` states of each key."""
    return states | "MergeStates" >> beam.CombinePerKey(_MergeStates())


class _MergeStates(beam.CombineFn):
    def create_accumulator(self) -> Any:
        return None

    def add_input(self, accumulator: Any, state: Any) -> Any:
        return state if accumulator is None else accumulator + state

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        merged = None
        for accumulator in accumulators:
            if accumulator is not None:
                merged = self.add_input(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Any) -> Any:
        return accumulator


def slices(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Consecutive slices of at most `rows` rows."""
    for start in range(0, len(table), rows):
        yield table.slice(start, rows)
