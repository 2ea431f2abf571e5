"""Struct fields at any depth as columns with paths such as `user.id`."""

from collections.abc import Iterable
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Path: TypeAlias = tuple[str, ...]


def leaves(fields: Iterable[pa.Field], above: Path = ()) -> Iterable[tuple[Path, pa.DataType]]:
    """Yields path and type of every column that is not a struct, in order."""
    for field in fields:
        path = (*above, field.name)
        if pa.types.is_struct(field.type):
            yield from leaves(field.type, path)
        else:
            yield path, field.type


def field_at(batch: pa.RecordBatch, path: Path) -> pa.Array:
    """Values at a path, null where an enclosing struct is null."""
    first, *fields = path
    values = batch.column(first)
    return pc.struct_field(values, fields) if fields else values
