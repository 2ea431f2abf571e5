"""Columns of Parquet files as everything else wants them: fields of structs by their path, bytes as texts."""

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
"""Digits of a UUID before which there is a dash."""


def paths_of(schema: pa.Schema) -> dict[str, tuple[Path, pa.DataType]]:
    """Columns of a file under their names; of structs, their fields as `user.id`, at any depth.

    Raises:
        DataError: two columns have the same name.
    """
    found = list(leaves(schema))
    times = Counter(".".join(path) for path, _ in found)
    if twice := [repr(name) for name, count in times.items() if count > 1]:
        raise DataError(f"has {listed(twice)} twice")
    return {".".join(path): (path, kind) for path, kind in found}


def read_as(kind: pa.DataType, bytes_as: BytesAs) -> pa.DataType:
    """The Arrow type that values of a type are read as."""
    return as_read(pa.array([], kind), bytes_as, "").type


def type_name(kind: pa.DataType, *, is_id: bool) -> str:
    """As `described`, of a type that `read_as` gave; decimal numbers may be ids, and without a point are integers."""
    if pa.types.is_decimal(kind) and (is_id or kind.scale <= 0):
        return "string" if is_id else "int64"
    return described(kind)


def with_integers(batch: pa.RecordBatch, ids: Collection[str], *, long_as_text: bool = False) -> pa.RecordBatch:
    """Decimal numbers without a point become integers, but for ids, which may have any number of digits.

    Args:
        batch: some rows.
        ids: columns of ids.
        long_as_text: integers of more than 64 bits become text, as where it is not known yet which columns are ids.

    Raises:
        DataError: some have more than 64 bits.
    """
    for index, (name, kind) in enumerate(zip(batch.schema.names, batch.schema.types, strict=True)):
        if pa.types.is_decimal(kind) and kind.scale <= 0 and name not in ids:
            try:
                batch = batch.set_column(index, name, batch.column(index).cast(pa.int64()))
            except pa.ArrowInvalid as error:
                if long_as_text:
                    batch = batch.set_column(index, name, batch.column(index).cast(pa.string()))
                    continue
                hint = "write it as text or a float, or leave it out of 'keep'"
                raise DataError(f"column {name!r} has integers of more than 64 bits: {error}; {hint}") from error
    return batch


def selected(batch: pa.RecordBatch, columns: Mapping[str, Path], bytes_as: BytesAs) -> pa.RecordBatch:
    """Columns of a batch, by their paths, as they are read.

    Args:
        batch: as the file has it, the structs of the columns among it.
        columns: path of each column.
        bytes_as: what bytes become.

    Raises:
        DataError: bytes are not what was said.
    """
    arrays = [as_read(field_at(batch, path), bytes_as, name) for name, path in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns)) if columns else batch.select([])


def as_read(values: pa.Array, bytes_as: BytesAs, name: str) -> pa.Array:
    """Values of a simple type: no dictionary but of texts, no extension, no bytes that are no text."""
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
    """Bytes as hexadecimal digits, in lower case."""
    offsets, data = _bytes_of(values)
    digits = _HEX[data].tobytes()
    return _texts(values, (offsets * 2).astype(np.int32), digits)


def uuid_texts(values: pa.Array, name: str) -> pa.StringArray:
    """Sixteen bytes each as UUIDs are written.

    Raises:
        DataError: some are more or fewer; `name` is the column.
    """
    filled = pc.fill_null(values.cast(pa.binary()), bytes(_UUID_BYTES))
    lengths = pc.binary_length(filled)
    if pc.any(pc.not_equal(lengths, _UUID_BYTES)).as_py():
        wrong = next(length for length in lengths.to_pylist() if length != _UUID_BYTES)
        raise DataError(f"column {name!r} has a value of {wrong} bytes, where a UUID has {_UUID_BYTES}")
    digits = np.frombuffer(_HEX[_bytes_of(filled)[1]].tobytes(), "S1").reshape(len(values), 2 * _UUID_BYTES)
    parts = np.insert(digits, _DASHES, b"-", axis=1)
    return _texts(values, np.arange(len(values) + 1, dtype=np.int32) * parts.shape[1], parts.tobytes())


def _bytes_of(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Where each value begins, and the bytes of all."""
    values = values.cast(pa.binary())
    if len(values) == 0:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    content = np.frombuffer(b"" if data is None else data, np.uint8)
    return bounds - bounds[0], content[bounds[0] : bounds[-1]]


def _texts(values: pa.Array, offsets: np.ndarray, content: bytes) -> pa.StringArray:
    """Texts in place of values, missing where those are."""
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
