"""Distinct values and their counts, in bounded memory and independent of merge order.

Up to `CAPACITY` distinct values everything is exact. Beyond, the values with the smallest hashes are kept
(bottom-k, "KMV": Bar-Yossef et al. 2002; Beyer et al. 2007). Their counts stay exact,
because the bound only falls: a value among the smallest at the end was among the smallest of every part it appears
in. What is kept is therefore a uniform sample of the distinct values, the same however the data were cut up.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.hashing import hash_strings, mix

CAPACITY = 1 << 17


@dataclass
class CountSketch:
    """Counts of the values of a string or number column.

    Attributes:
        capacity: distinct values that are kept.
        parts: tables `value`, `count` not merged yet; merging waits until they are as large as what is kept.
        pending: rows in `parts`.
        kept: merged table `value`, `count`, `hash`, in the order of the hash.
        complete: no value was dropped yet.
    """

    capacity: int = CAPACITY
    parts: list[pa.Table] = field(default_factory=list)
    pending: int = 0
    kept: pa.Table | None = None
    complete: bool = True

    def add(self, values: pa.Array) -> None:
        """Counts every element of an array without nulls."""
        counted = pc.value_counts(values)
        self.add_counted(counted.field("values"), counted.field("counts").to_numpy())

    def add_counted(self, values: pa.Array, counts: np.ndarray) -> None:
        """Adds distinct values that occurred `counts` `[len(values)]` times."""
        if len(values):
            self._append(pa.table({"value": values, "count": pa.array(counts, pa.int64())}))

    def merge(self, other: "CountSketch") -> None:
        """Adds everything another sketch of the same capacity has counted."""
        other.compact()
        self.complete &= other.complete
        if other.kept is not None:
            self._append(other.kept.select(["value", "count"]))

    def compact(self) -> None:
        """Merges what is pending; afterwards `kept` holds everything."""
        if not self.parts:
            return
        tables = [*self.parts] if self.kept is None else [self.kept.select(["value", "count"]), *self.parts]
        merged = pa.concat_tables(tables).group_by("value").aggregate([("count", "sum")])
        table = pa.table({"value": merged["value"], "count": merged["count_sum"]})
        table = table.append_column("hash", pa.array(hash_values(table["value"].combine_chunks())))
        self.kept = table.take(pc.sort_indices(table, [("hash", "ascending"), ("value", "ascending")]))
        self.complete &= len(table) <= self.capacity
        self.kept = self.kept.slice(0, self.capacity).combine_chunks()
        self.parts, self.pending = [], 0

    def counts(self) -> np.ndarray:
        """Count of every kept value, int64, in the order of their hashes."""
        self.compact()
        return np.empty(0, np.int64) if self.kept is None else self.kept["count"].to_numpy()

    def values(self) -> pa.Array | None:
        """The kept values, in the order of their hashes; None if nothing was counted."""
        self.compact()
        if self.kept is None:
            return None
        values = self.kept["value"].combine_chunks()
        return values.chunk(0) if isinstance(values, pa.ChunkedArray) else values

    def distinct(self) -> int:
        """Number of distinct values: exact if `complete`, else estimated to within about 0.3 %."""
        self.compact()
        if self.kept is None:
            return 0
        if self.complete:
            return len(self.kept)
        largest = int(self.kept["hash"][-1].as_py())
        return (self.capacity - 1) * (1 << 64) // (largest + 1)

    def top(self, limit: int) -> list[tuple[object, int]]:
        """The most frequent kept values with their counts; ties in the order of the values."""
        self.compact()
        if self.kept is None:
            return []
        order = pc.sort_indices(self.kept, [("count", "descending"), ("value", "ascending")])[:limit]
        best = self.kept.take(order)
        return list(zip(best["value"].to_pylist(), best["count"].to_pylist(), strict=True))

    def _append(self, table: pa.Table) -> None:
        if self.kept is not None and not self.complete:
            bound = self.kept["hash"][-1].as_py()
            table = table.filter(pa.array(hash_values(table["value"].combine_chunks()) <= np.uint64(bound)))
        self.parts.append(table)
        self.pending += len(table)
        if self.pending > max(1 << 18, 0 if self.kept is None else len(self.kept)):
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
