"""Compares the columns and types of the files of a table."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import TypeAlias

from dataplane.errors import DataError
from dataplane.errors.messages import listed
from dataplane.sources.config import (
    JsonlEntities,
    JsonlInteractions,
    MappedEntities,
    MappedInteractions,
    ParquetEntities,
    ParquetInteractions,
    id_columns,
    needed_columns,
)
from dataplane.sources.ingestion.column_types import merged
from dataplane.sources.ingestion.piece_rows import partition_types
from dataplane.sources.reading import Piece

FileTypes: TypeAlias = Mapping[str, Mapping[str, Collection[str]]]
"""Column types of each file: file name → column → types seen."""
_ID_TYPES = frozenset({"string", "int64"})
ColumnTypes: TypeAlias = Mapping[str, Mapping[str, str]]
"""Types of each column: column → type → first file that has it."""


def types_by_column(files: FileTypes, pieces: Iterable[Piece]) -> dict[str, dict[str, str]]:
    """Types of each column over all files. The type of a partition column comes from the directory names."""
    types: dict[str, dict[str, str]] = {}
    for file, columns in files.items():
        for column, kinds in columns.items():
            for kind in sorted(kinds):
                types.setdefault(column, {}).setdefault(kind, file)
    pieces = list(pieces)
    return types | {column: {kind: pieces[0].name} for column, kind in partition_types(pieces).items()}


def check_agreement(source: MappedInteractions | MappedEntities, files: FileTypes, pieces: Sequence[Piece]) -> None:
    """Checks that every file has the ids and roles, and that Parquet files agree on the type of each column.

    Other columns may be absent from some files; their rows then have no value. Integers agree with floats, and in id
    columns also with text. JSON Lines are not checked here, because each row is checked when it is read.

    Raises:
        DataError: a file lacks a column or has another type.
    """
    if isinstance(source, JsonlInteractions | JsonlEntities):
        return
    needed = needed_columns(source)
    partitioned = {column for piece in pieces for column, _ in piece.partitions}
    for file, columns in files.items():
        missing = sorted(needed - partitioned - set(columns))
        if missing and columns:
            raise DataError(
                f"{file} has no column {', '.join(map(repr, missing))}; it has {listed(columns)}. "
                "All files of a table need the same ids and roles: correct the file, or exclude it from 'path'"
            )
    if isinstance(source, ParquetInteractions | ParquetEntities):
        mixable = dict.fromkeys(id_columns(source), _ID_TYPES | ({"float64"} if source.whole_number_ids else set()))
        if not isinstance(source, MappedInteractions) and source.pivot is not None:
            mixable |= dict.fromkeys((source.pivot.property, source.pivot.value), _ID_TYPES)
        for column, kinds in types_by_column(files, ()).items():
            _check_types(column, kinds, mixable.get(column, set()))


def _check_types(column: str, kinds: Mapping[str, str], mixable: Set[str]) -> None:
    """Refuses a column of several types, unless numbers hold them all or every type is one of `mixable`."""
    seen = {kind: file for kind, file in kinds.items() if kind != "null"}
    if len(seen) <= 1 or merged(seen) in ("float64", "list<float64>") or seen.keys() <= mixable:
        return
    types = " and ".join(f"{kind} in {file}" for kind, file in seen.items())
    raise DataError(f"column {column!r} is {types}: write it with one type in all files of the table")
