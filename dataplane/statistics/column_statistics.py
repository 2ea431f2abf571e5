"""Mergeable statistics of one column, computed one record batch at a time.

The results do not depend on the order in which batches are added and merged.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.columns.exact_moments import ExactMoments
from dataplane.columns.hashing import hash_pairs, hash_strings, mix
from dataplane.errors import DataError
from dataplane.statistics.count_sketch import CountSketch, hash_values
from models.ragged import offsets_of, places_of


@dataclass
class Extent:
    """Smallest, largest and total length of the values seen.

    Attributes:
        minimum: None before the first value.
        maximum: None before the first value.
        total: sum of the lengths.
        count: number of lengths.
    """

    minimum: int | None = None
    maximum: int | None = None
    total: int = 0
    count: int = 0

    def add(self, lengths: np.ndarray, weights: np.ndarray) -> None:
        """Adds lengths `[n]` that occurred `weights` `[n]` times, at least once each."""
        if len(lengths):
            total = int(np.dot(lengths.astype(np.int64), weights))
            self.merge(Extent(int(lengths.min()), int(lengths.max()), total, int(weights.sum())))

    def merge(self, other: "Extent") -> None:
        """Adds the lengths of another extent."""
        self.minimum = _either(min, self.minimum, other.minimum)
        self.maximum = _either(max, self.maximum, other.maximum)
        self.total += other.total
        self.count += other.count


@dataclass
class NumberStatistics:
    """Facts about numbers. Only `nan` and `infinite` count NaN and infinity; all others skip them.

    Attributes:
        nan: number of NaN values.
        infinite: number of values that are plus or minus infinity.
        zeros: number of zeros.
        minimum: smallest finite value; None if there is none.
        maximum: largest finite value; None if there is none.
        moments: sums for the mean and the standard deviation.
    """

    nan: int = 0
    infinite: int = 0
    zeros: int = 0
    minimum: float | None = None
    maximum: float | None = None
    moments: ExactMoments = field(default_factory=ExactMoments)

    def add(self, numbers: np.ndarray) -> np.ndarray:
        """Adds int64 or float64 numbers `[n]`; returns the finite ones."""
        if numbers.dtype.kind == "f":
            nan, infinite = np.isnan(numbers), np.isinf(numbers)
            self.nan += int(nan.sum())
            self.infinite += int(infinite.sum())
            numbers = numbers[~(nan | infinite)]
        if len(numbers):
            self.zeros += int((numbers == 0).sum())
            self.minimum = _either(min, self.minimum, numbers.min().item())
            self.maximum = _either(max, self.maximum, numbers.max().item())
            self.moments += ExactMoments.of(numbers)
        return numbers

    def merge(self, other: "NumberStatistics") -> None:
        """Adds the numbers of another part."""
        self.nan += other.nan
        self.infinite += other.infinite
        self.zeros += other.zeros
        self.minimum = _either(min, self.minimum, other.minimum)
        self.maximum = _either(max, self.maximum, other.maximum)
        self.moments += other.moments


@dataclass
class ColumnStatistics:
    """Statistics of one column.

    Attributes:
        type: from `type_name`.
        present: number of rows that are not null.
        elements: number of values that are not null, including those inside lists.
        null_elements: number of nulls inside lists.
        list_length: elements per list.
        string_length: characters per string.
        numbers: facts about numbers.
        counts: distinct values and their counts; not filled for lists of floats (vectors).
    """

    type: str
    present: int = 0
    elements: int = 0
    null_elements: int = 0
    list_length: Extent = field(default_factory=Extent)
    string_length: Extent = field(default_factory=Extent)
    numbers: NumberStatistics = field(default_factory=NumberStatistics)
    counts: CountSketch = field(default_factory=CountSketch)

    def add(self, column: pa.Array) -> np.ndarray:
        """Adds one batch of the column; returns a hash of each row's value, uint64 `[rows]`."""
        values = column.drop_null()
        self.present += len(values)
        hashes = self._add_lists(values) if self.type.startswith("list") else self._add_elements(values)
        return hashes if len(values) == len(column) else _with_nulls(column, hashes)

    def merge(self, other: "ColumnStatistics") -> None:
        """Adds the statistics of another part of the same column."""
        self.present += other.present
        self.elements += other.elements
        self.null_elements += other.null_elements
        self.list_length.merge(other.list_length)
        self.string_length.merge(other.string_length)
        self.numbers.merge(other.numbers)
        self.counts.merge(other.counts)

    def _add_lists(self, lists: pa.Array) -> np.ndarray:
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        self.list_length.add(lengths, np.ones(len(lengths), np.int64))
        flat = lists.flatten()
        elements = flat.drop_null()
        self.null_elements += len(flat) - len(elements)
        return _list_hashes(lengths.astype(np.int64), _with_nulls(flat, self._add_elements(elements)))

    def _add_elements(self, values: pa.Array) -> np.ndarray:
        self.elements += len(values)
        return self._add_strings(values) if self.type.endswith(("string", "string>")) else self._add_numbers(values)

    def _add_strings(self, strings: pa.Array) -> np.ndarray:
        encoded = strings if pa.types.is_dictionary(strings.type) else strings.dictionary_encode()
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        weights = np.bincount(indices, minlength=len(encoded.dictionary))
        hashes = hash_strings(encoded.dictionary)
        used = np.flatnonzero(weights)
        values = encoded.dictionary.take(pa.array(used)).cast(pa.large_string())
        self.counts.add_counted(values, hashes[used], weights[used])
        self.string_length.add(pc.utf8_length(values).to_numpy(zero_copy_only=False), weights[used])
        of_rows: np.ndarray = hashes[indices]
        return of_rows

    def _add_numbers(self, values: pa.Array) -> np.ndarray:
        numbers = as_numbers(values)
        hashes = hash_values(pa.array(numbers))
        finite = self.numbers.add(numbers)
        if self.type != "list<float64>":
            whole = len(finite) == len(numbers)
            self.counts.add(pa.array(finite), hashes if whole else hashes[np.isfinite(numbers)])
        return hashes


_SCALARS = {
    "string": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
    "int64": pa.types.is_integer,
    "float64": pa.types.is_floating,
    "bool": pa.types.is_boolean,
    "timestamp": pa.types.is_timestamp,
}


def type_name(arrow_type: pa.DataType) -> str:
    """`string`, `int64`, `float64`, `bool`, `timestamp`, or `list<…>` of one of these.

    Raises:
        DataError: the type is not supported.
    """
    if pa.types.is_dictionary(arrow_type):
        return type_name(arrow_type.value_type)
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type) or pa.types.is_fixed_size_list(arrow_type):
        return f"list<{type_name(arrow_type.value_type)}>"
    for name, matches in _SCALARS.items():
        if matches(arrow_type):
            return name
    known = ", ".join(_SCALARS)
    raise DataError(f"columns of type {arrow_type} are not supported; convert to one of {known}, or to lists of one")


def as_numbers(values: pa.Array) -> np.ndarray:
    """Integers, booleans and timestamps (microseconds) as int64, floats as float64 with -0.0 as 0.0; takes no nulls."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", tz=values.type.tz)).cast(pa.int64())
    target = pa.float64() if pa.types.is_floating(values.type) else pa.int64()
    numbers: np.ndarray = values.cast(target).to_numpy(zero_copy_only=False)
    return numbers + 0.0 if numbers.dtype.kind == "f" else numbers


_NULL = np.uint64(0x6E756C6C)


def _with_nulls(column: pa.Array, hashes: np.ndarray) -> np.ndarray:
    """Hash of each row, from the hashes of the rows that are not null."""
    every = np.full(len(column), _NULL, np.uint64)
    every[column.is_valid().to_numpy(zero_copy_only=False)] = hashes
    return every


def _list_hashes(lengths: np.ndarray, elements: np.ndarray) -> np.ndarray:
    """Hashes of lists, from their lengths and the hashes of all their elements.

    For example, `lengths` [2, 0, 1] and `elements` [a, b, c] give the hashes of [a, b], [] and [c].
    """
    offsets = offsets_of(lengths)
    placed = hash_pairs(elements, places_of(offsets).astype(np.uint64))
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(placed, dtype=np.uint64)])
    # Unsigned sums wrap around, so differences of the running sum are right even after an overflow.
    return mix(np.diff(running[offsets]) ^ lengths.astype(np.uint64))


def _either(choose: Callable[[Any], Any], left: float | None, right: float | None) -> Any:
    present = [value for value in (left, right) if value is not None]
    return choose(present) if present else None
