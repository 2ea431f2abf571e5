"""Simplifies the columns of Parquet files: struct fields get their path as name, bytes become text."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.errors import DataError
from dataplane.errors.messages import listed
from dataplane.sources.formats.struct_fields import Path, field_at, leaves
from dataplane.sources.ingestion.column_types import described
from models.ragged import offsets_of

BytesAs: TypeAlias = Literal["auto", "text", "hex", "uuid"]
_UUID_BYTES = 16
_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], "S2")
_DASHES = (8, 12, 16, 20)
"""Positions of the digits of a UUID that follow a dash."""


def paths_of(schema: pa.Schema) -> dict[str, tuple[Path, pa.DataType]]:
    """Path and type of each column by name; struct fields have names such as `user.id`, at any depth.

    Raises:
        DataError: two columns have the same name.
    """
    found = list(leaves(schema))
    times = Counter(".".join(path) for path, _ in found)
    if twice := [repr(name) for name, count in times.items() if count > 1]:
        raise DataError(f"has {listed(twice)} twice")
    return {".".join(path): (path, kind) for path, kind in found}


def read_as(kind: pa.DataType, bytes_as: BytesAs) -> pa.DataType:
    """Arrow type of the values after reading."""
    return as_read(pa.array([], kind), bytes_as, "").type


def type_name(kind: pa.DataType, *, is_id: bool) -> str:
    """Column type of a type from `read_as`. Decimal ids become text, and decimals without fraction integers."""
    if pa.types.is_decimal(kind) and (is_id or kind.scale <= 0):
        return "string" if is_id else "int64"
    return described(kind)


def with_integers(batch: pa.RecordBatch, ids: Collection[str], *, long_as_text: bool = False) -> pa.RecordBatch:
    """Casts decimals without fraction to integers, except ids, which may have any number of digits.

    Args:
        batch: rows of the file.
        ids: id columns.
        long_as_text: whether integers of more than 64 bits become text, for when the id columns are unknown.

    Raises:
        DataError: a value has more than 64 bits.
    """
    for index, (name, kind) in enumerate(zip(batch.schema.names, batch.schema.types, strict=True)):
        if pa.types.is_decimal(kind) and kind.scale <= 0 and name not in ids:
            try:
                batch = batch.set_column(index, name, batch.column(index).cast(pa.int64()))
            except pa.ArrowInvalid as error:
                if long_as_text:
                    batch = batch.set_column(index, name, batch.column(index).cast(pa.string()))
                    continue
                hint = "write the column as text or floats, or remove it from 'keep'"
                raise DataError(f"column {name!r} has integers of more than 64 bits: {error}; {hint}") from error
    return batch


def selected(batch: pa.RecordBatch, columns: Mapping[str, Path], bytes_as: BytesAs) -> pa.RecordBatch:
    """Selects columns of a batch by path and simplifies their types.

    Args:
        batch: rows of the file, including the structs that hold the columns.
        columns: path of each column.
        bytes_as: conversion of bytes.

    Raises:
        DataError: bytes do not fit `bytes_as`.
    """
    arrays = [as_read(field_at(batch, path), bytes_as, name) for name, path in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns)) if columns else batch.select([])


def as_read(values: pa.Array, bytes_as: BytesAs, name: str) -> pa.Array:
    """Simplifies values: decodes dictionaries except of text, extension types, and bytes that are not text."""
    kind = values.type
    if isinstance(kind, pa.UuidType):
        return uuid_texts(values.storage, name)
    for test, simpler in _SIMPLER:
        if test(kind):
            return as_read(simpler(values), bytes_as, name)
    if pa.types.is_fixed_size_binary(kind) and bytes_as == "auto":
        return uuid_texts(values, name) if kind.byte_width == _UUID_BYTES else hex_texts(values)
    if _is_bytes(kind) and bytes_as in ("hex", "uuid"):
        return uuid_texts(values, name) if bytes_as == "uuid" else hex_texts(values)
    if _is_list(kind):
        return _list_as_read(values, bytes_as, name)
    return values


def hex_texts(values: pa.Array) -> pa.StringArray:
    """Converts bytes to lower-case hexadecimal digits.

    Example: the bytes 1 and 171, no bytes, null → `"01ab"`, `""`, null.
    """
    offsets, data = _bytes_of(values)
    digits = _HEX[data].tobytes()
    return _texts(values, (offsets * 2).astype(np.int32), digits)


def uuid_texts(values: pa.Array, name: str) -> pa.StringArray:
    """Converts values of 16 bytes to UUIDs with dashes.

    Raises:
        DataError: a value of column `name` has another length.
    """
    filled = pc.fill_null(values.cast(pa.binary()), bytes(_UUID_BYTES))
    lengths = pc.binary_length(filled)
    if pc.any(pc.not_equal(lengths, _UUID_BYTES)).as_py():
        wrong = next(length for length in lengths.to_pylist() if length != _UUID_BYTES)
        raise DataError(f"column {name!r} has a value of {wrong} bytes; a UUID has {_UUID_BYTES}")
    digits = np.frombuffer(_HEX[_bytes_of(filled)[1]].tobytes(), "S1").reshape(len(values), 2 * _UUID_BYTES)
    parts = np.insert(digits, _DASHES, b"-", axis=1)
    return _texts(values, np.arange(len(values) + 1, dtype=np.int32) * parts.shape[1], parts.tobytes())


def _bytes_of(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Offset of each value, int32 `[values + 1]`, and the bytes of all values, uint8."""
    values = values.cast(pa.binary())
    if len(values) == 0:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    content = np.frombuffer(b"" if data is None else data, np.uint8)
    return bounds - bounds[0], content[bounds[0] : bounds[-1]]


def _texts(values: pa.Array, offsets: np.ndarray, content: bytes) -> pa.StringArray:
    """Builds texts from offsets and content, null where `values` are null."""
    texts = pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets.tobytes()), pa.py_buffer(content))
    return pc.if_else(values.is_valid(), texts, None)


def _list_as_read(values: pa.Array, bytes_as: BytesAs, name: str) -> pa.Array:
    inner = values.type.value_type
    if pa.types.is_nested(inner) or read_as(inner, bytes_as) == inner:
        return values
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(offsets_of(lengths), pa.int32())
    flat = as_read(pc.list_flatten(values), bytes_as, name)
    return pa.ListArray.from_arrays(offsets, flat, mask=values.is_null())


def _is_bytes(kind: pa.DataType) -> bool:
    tests: Sequence[Callable[[pa.DataType], bool]] = (
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _is_list(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _is_dictionary_of_others(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind)) and kind.value_type not in (pa.string(), pa.large_string())


_SIMPLER: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]]] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), lambda values: values.storage),
    (_is_dictionary_of_others, lambda values: values.dictionary_decode()),
    (pa.types.is_run_end_encoded, pc.run_end_decode),
)
