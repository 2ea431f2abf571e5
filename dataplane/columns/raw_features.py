"""Converts Arrow columns to the raw tensors of preprocessing (see `models.preprocessing.feature_preprocessing`)."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.errors import DataError
from models.spec.features import (
    CANDIDATE_ID,
    MISSING_TIMESTAMP,
    QUERY_ID,
    CategoricalFeature,
    Feature,
    NumericFeature,
    TextFeature,
    TimestampFeature,
    VectorFeature,
)


def raw_features(features: Mapping[str, Feature], columns: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray]:
    """Raw tensors by feature name; strings as object arrays. Nulls become the feature's missing value.

    Args:
        features: by name; each reads its `column`, or the column of its name.
        columns: rows of a table; strings may be dictionary-encoded. A column of nulls may have the null type.

    Raises:
        DataError: a column is missing, has a type that the feature cannot use, or holds a vector of another length.
    """
    raw = {}
    for name, feature in features.items():
        try:
            raw[name] = _raw(feature, plain_column(columns, feature.column or name))
        except _RowError as error:
            raise DataError(f"{_described(name, feature)}: {error}{_ids_of(columns, error.row)}") from None
        except DataError as error:
            raise DataError(f"{_described(name, feature)}: {error}") from None
    return raw


class _RowError(DataError):
    """A single row is wrong."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


def _described(name: str, feature: Feature) -> str:
    return f"{feature.type} feature '{name}', column '{feature.column or name}'"


def _ids_of(columns: pa.Table | pa.RecordBatch, row: int) -> str:
    ids = [f"{name} {columns.column(name)[row]}" for name in (QUERY_ID, CANDIDATE_ID) if name in columns.schema.names]
    return f" (row with {', '.join(ids)})" if ids else ""


def plain_column(columns: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    """One column as a single array without dictionary encoding.

    Raises:
        DataError: there is no such column.
    """
    if name not in columns.schema.names:
        raise DataError(f"there is no such column; allowed: {', '.join(columns.schema.names)}")
    column = columns.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column


def strings_of(feature: Feature, column: pa.Array) -> pa.Array:
    """The values of an id, categorical or text column as large strings; lists are flattened, nulls stay.

    Raises:
        DataError: the feature cannot use the type of the column.
    """
    multiple = isinstance(feature, CategoricalFeature) and feature.max_values > 1
    if pa.types.is_null(column.type):
        return pa.array([] if multiple else [None] * len(column), pa.large_string())
    if _is_list(column.type) != multiple:
        raise DataError(
            "rows hold single values; leave out 'max_values'"
            if multiple
            else "rows hold lists; only a categorical feature with 'max_values' above 1 takes lists"
        )
    values = pc.list_flatten(column) if multiple else column
    kind = values.type
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    numbers = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if isinstance(feature, TextFeature) and not textual:
        raise DataError(f"is {kind}, not strings")
    if not (textual or numbers or (isinstance(feature, CategoricalFeature) and pa.types.is_floating(kind))):
        raise DataError(f"is {kind}; allowed: strings, integers and booleans")
    return values.cast(pa.large_string())


def numbers_of(column: pa.Array) -> np.ndarray:
    """The values of a numeric column, float32, NaN for nulls.

    Raises:
        DataError: the column does not hold numbers.
    """
    kind = column.type
    if not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    ):
        raise DataError(f"is {kind}, not numbers")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    numbers: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float32)
    return numbers


def _raw(feature: Feature, column: pa.Array) -> np.ndarray:
    if isinstance(feature, NumericFeature):
        return numbers_of(column)
    if isinstance(feature, TimestampFeature):
        return _seconds(column)
    if isinstance(feature, VectorFeature):
        return _vectors(column, feature.dimension)
    strings = pc.fill_null(strings_of(feature, column), "")
    if isinstance(feature, CategoricalFeature) and feature.max_values > 1:
        return _padded(column, strings, feature.max_values)
    values: np.ndarray = strings.to_numpy(zero_copy_only=False)
    return values


def _padded(column: pa.Array, strings: pa.Array, width: int) -> np.ndarray:
    """The first `width` non-empty strings of each list, `[rows, width]`, padded with "".

    For example, the lists ["a", "", "b"], [] and ["c"] with width 2 give [["a", "b"], ["", ""], ["c", ""]].
    """
    padded = np.full((len(column), width), "", object)
    if len(strings) == 0:
        return padded
    filled = pc.not_equal(strings, "")
    row = pc.list_parent_indices(column).filter(filled).to_numpy(zero_copy_only=False)
    place = np.arange(len(row)) - np.searchsorted(row, row)
    keep = place < width
    padded[row[keep], place[keep]] = strings.filter(filled).to_numpy(zero_copy_only=False)[keep]
    return padded


def _seconds(column: pa.Array) -> np.ndarray:
    """Unix seconds of timestamps; integers are Unix seconds already."""
    if pa.types.is_timestamp(column.type):
        microseconds = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        seconds = pc.fill_null(microseconds, 0).to_numpy(zero_copy_only=False) // 1_000_000
    elif pa.types.is_integer(column.type) or pa.types.is_null(column.type):
        seconds = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    else:
        raise DataError(f"is {column.type}; allowed: timestamps, or integers as Unix seconds")
    missing = column.is_null().to_numpy(zero_copy_only=False)
    result: np.ndarray = np.where(missing, MISSING_TIMESTAMP, seconds)
    return result


def _vectors(column: pa.Array, dimension: int) -> np.ndarray:
    vectors = np.full((len(column), dimension), np.nan, np.float32)
    if pa.types.is_null(column.type):
        return vectors
    if not _is_list(column.type):
        raise DataError(f"is {column.type}, not lists of numbers")
    lengths = pc.list_value_length(column)
    wrong = pc.fill_null(pc.not_equal(lengths, dimension), False).to_numpy(zero_copy_only=False)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _RowError(f"has a vector of length {lengths[row]}; the configured dimension is {dimension}", row)
    present = column.is_valid().to_numpy(zero_copy_only=False)
    vectors[present] = numbers_of(pc.list_flatten(column)).reshape(-1, dimension)
    return vectors


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
