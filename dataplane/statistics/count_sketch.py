"""Distinct values and their counts in bounded memory, independent of the merge order.

Counts are exact for up to `CAPACITY` distinct values. Beyond that, only the values with the smallest hashes are kept
(bottom-k or KMV sketch: Bar-Yossef et al. 2002; Beyer et al. 2007). Their counts stay exact, because the bound only
falls: a value among the smallest at the end was among the smallest of every part that it appears in. The kept values
are a uniform sample of the distinct values, however the data are partitioned.

Values are identified by their 64-bit hashes. These are unique for numbers. For six million strings, the probability of
a collision is about one in a million.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.columns.hashing import hash_strings, mix

CAPACITY = 1 << 17
_PENDING = 1 << 19


@dataclass(frozen=True)
class Counted:
    """Values with their hashes, uint64, and their counts, int64."""

    hashes: np.ndarray
    counts: np.ndarray
    values: pa.Array


@dataclass
class CountSketch:
    """Counts of the values of a string or number column.

    Attributes:
        capacity: maximum number of distinct values kept.
        parts: parts that are not merged yet; they are merged when they outgrow the kept values.
        pending: number of values in `parts`.
        kept: the merged distinct values, ordered by hash.
        complete: whether no value has been dropped.
    """

    capacity: int = CAPACITY
    parts: list[Counted] = field(default_factory=list)
    pending: int = 0
    kept: Counted | None = None
    complete: bool = True

    def add(self, values: pa.Array, hashes: np.ndarray) -> None:
        """Counts every element of an array of numbers without nulls; `hashes` are its `hash_values`."""
        few = self._among_the_smallest(hashes)
        counted = pc.value_counts(values if few is None else values.filter(pa.array(few)))
        distinct = counted.field("values")
        self._append(Counted(hash_values(distinct), counted.field("counts").to_numpy(), distinct))

    def add_counted(self, values: pa.Array, hashes: np.ndarray, counts: np.ndarray) -> None:
        """Adds distinct values that occurred `counts` `[len(values)]` times; `hashes` are their `hash_values`."""
        few = self._among_the_smallest(hashes)
        if few is not None:
            values, hashes, counts = values.filter(pa.array(few)), hashes[few], counts[few]
        self._append(Counted(hashes, counts, values))

    def merge(self, other: "CountSketch") -> None:
        """Adds the counts of another sketch with the same capacity."""
        other.compact()
        self.complete &= other.complete
        if other.kept is not None:
            self.add_counted(other.kept.values, other.kept.hashes, other.kept.counts)

    def compact(self) -> None:
        """Merges the pending parts; afterwards `kept` holds all values."""
        if not self.parts:
            return
        parts = self.parts if self.kept is None else [self.kept, *self.parts]
        hashes = np.concatenate([part.hashes for part in parts])
        order = np.argsort(hashes)
        ordered = hashes[order]
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        counts = np.add.reduceat(np.concatenate([part.counts for part in parts])[order], first)
        self.complete &= len(first) <= self.capacity
        chosen = first[: self.capacity]
        values = pa.chunked_array([part.values for part in parts]).take(pa.array(order[chosen]))
        self.kept = Counted(ordered[chosen], counts[: self.capacity], _one_chunk(values))
        self.parts, self.pending = [], 0

    def counts(self) -> np.ndarray:
        """Count of every kept value, int64, ordered by hash."""
        self.compact()
        return np.empty(0, np.int64) if self.kept is None else self.kept.counts

    def values(self) -> pa.Array | None:
        """The kept values, ordered by hash; None if nothing was counted."""
        self.compact()
        return None if self.kept is None else self.kept.values

    def distinct(self) -> int:
        """Number of distinct values: exact if `complete`, otherwise estimated with an error of about 0.3 %."""
        self.compact()
        if self.kept is None:
            return 0
        if self.complete:
            return len(self.kept.hashes)
        return (self.capacity - 1) * (1 << 64) // (int(self.kept.hashes[-1]) + 1)

    def top(self, limit: int) -> list[tuple[object, int]]:
        """The most frequent kept values with their counts; ties are ordered by value."""
        self.compact()
        if self.kept is None:
            return []
        table = pa.table({"value": self.kept.values, "count": self.kept.counts})
        best = table.take(pc.sort_indices(table, [("count", "descending"), ("value", "ascending")])[:limit])
        return list(zip(best["value"].to_pylist(), best["count"].to_pylist(), strict=True))

    def _among_the_smallest(self, hashes: np.ndarray) -> np.ndarray | None:
        """Marks the hashes that are not above the largest kept hash; None while nothing has been dropped."""
        return None if self.complete or self.kept is None else hashes <= self.kept.hashes[-1]

    def _append(self, part: Counted) -> None:
        if len(part.hashes):
            self.parts.append(part)
            self.pending += len(part.hashes)
        if self.pending > max(_PENDING, 0 if self.kept is None else len(self.kept.hashes)):
            self.compact()

    def __getstate__(self) -> dict[str, object]:
        self.compact()
        return self.__dict__


def hash_values(values: pa.Array) -> np.ndarray:
    """Hashes of strings, integers, floats or booleans without nulls, uint64 `[n]`."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return hash_strings(values)
    numbers = values.to_numpy(zero_copy_only=False)
    bits = numbers.astype(np.float64).view(np.uint64) if numbers.dtype.kind == "f" else numbers.astype(np.uint64)
    return mix(bits)


def _one_chunk(values: pa.ChunkedArray) -> pa.Array:
    combined = values.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
