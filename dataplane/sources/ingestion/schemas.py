"""Columns that the files of a table have, held against each other."""

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
"""Types of the columns of each file, by its name."""
_ID_TYPES = frozenset({"string", "int64"})
ColumnTypes: TypeAlias = Mapping[str, Mapping[str, str]]
"""Types of each column, each with the first file where it was seen."""


def joined(files: FileTypes, pieces: Iterable[Piece]) -> dict[str, dict[str, str]]:
    """Types of each column over all files; a partition column has the one that its directories tell."""
    types: dict[str, dict[str, str]] = {}
    for file, columns in files.items():
        for column, kinds in columns.items():
            for kind in sorted(kinds):
                types.setdefault(column, {}).setdefault(kind, file)
    pieces = list(pieces)
    return types | {column: {kind: pieces[0].name} for column, kind in partition_types(pieces).items()}


def check_agreement(source: MappedInteractions | MappedEntities, files: FileTypes, pieces: Sequence[Piece]) -> None:
    """Checks that every file has the ids and roles, and that typed files agree on what a column is.

    A further column that some files lack is missing in their rows, integers go with floats, and integers with
    texts where they are ids. JSON lines are not checked: each of their rows is, for itself.

    Raises:
        DataError: a file differs.
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
                "All files of a table need the same ids and roles: correct it, or leave it out of 'path'"
            )
    if isinstance(source, ParquetInteractions | ParquetEntities):
        together = dict.fromkeys(id_columns(source), _ID_TYPES | ({"float64"} if source.whole_number_ids else set()))
        if not isinstance(source, MappedInteractions) and source.pivot is not None:
            together |= dict.fromkeys((source.pivot.property, source.pivot.value), _ID_TYPES)
        for column, kinds in joined(files, ()).items():
            _check_types(column, kinds, together.get(column, set()))


def _check_types(column: str, kinds: Mapping[str, str], together: Set[str]) -> None:
    seen = {kind: file for kind, file in kinds.items() if kind != "null"}
    if len(seen) <= 1 or merged(seen) in ("float64", "list<float64>") or seen.keys() <= together:
        return
    told = " and ".join(f"{kind} in {file}" for kind, file in seen.items())
    raise DataError(f"column {column!r} is {told}: write it with one type in all files of the table")
