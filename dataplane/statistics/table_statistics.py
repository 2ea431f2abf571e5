"""Mergeable statistics of a table: its columns, a sample of its rows and, for interactions, their id pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.columns.hashing import hash_pairs
from dataplane.statistics.column_statistics import ColumnStatistics, as_numbers, type_name
from dataplane.statistics.count_sketch import CountSketch, hash_values

SAMPLE_ROWS = 8192


@dataclass
class RowSample:
    """The rows whose content has the smallest hashes: a uniform sample that does not depend on the merge order.

    Rows with equal hashes are equal in all columns, so it does not matter which of them is kept.

    Attributes:
        capacity: maximum number of rows kept.
        parts: tables of the sampled columns and the row hash.
        pending: rows added to `parts` since the last merge.
    """

    capacity: int = SAMPLE_ROWS
    parts: list[pa.Table] = field(default_factory=list)
    pending: int = 0

    def add(self, columns: Mapping[str, pa.Array], hashes: np.ndarray) -> None:
        """Adds rows with their hashes, uint64 `[rows]`."""
        table = pa.table({**columns, _HASH: pa.array(hashes)})
        if len(hashes) > self.capacity:
            table = table.take(pa.array(np.argpartition(hashes, self.capacity)[: self.capacity]))
        self._append(table)

    def merge(self, other: "RowSample") -> None:
        """Adds the rows of another sample."""
        for part in other.parts:
            self._append(part)

    @staticmethod
    def of(table: pa.Table | None) -> "RowSample":
        """The sample whose `table` this is."""
        return RowSample() if table is None else RowSample(parts=[table], pending=len(table))

    def table(self) -> pa.Table | None:
        """The sampled columns with the rows' hashes; None before the first row."""
        self._compact()
        return self.parts[0] if self.parts else None

    def column(self, name: str) -> pa.ChunkedArray | None:
        """The sampled values of one column; None if no row has the column."""
        self._compact()
        return self.parts[0][name] if self.parts and name in self.parts[0].column_names else None

    def _append(self, table: pa.Table) -> None:
        self.parts.append(table)
        self.pending += len(table)
        if self.pending > 4 * self.capacity:
            self._compact()

    def _compact(self) -> None:
        if self.parts:
            merged = pa.concat_tables(self.parts, promote_options="permissive")
            order = np.argsort(merged[_HASH].to_numpy(), kind="stable")[: self.capacity]
            self.parts = [merged.take(pa.array(order))]
        self.pending = 0

    def __getstate__(self) -> dict[str, object]:
        self._compact()
        return self.__dict__


@dataclass
class TableStatistics:
    """Statistics of one table of Examples.

    Attributes:
        rows: number of rows.
        columns: statistics of every column by name.
        sample: the numeric columns of a sample of the rows.
        pairs: counts of the hashes of (query id, candidate id), if the table has both.
    """

    rows: int = 0
    columns: dict[str, ColumnStatistics] = field(default_factory=dict)
    sample: RowSample = field(default_factory=RowSample)
    pairs: CountSketch = field(default_factory=CountSketch)

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds the rows of one batch; string columns may be dictionary-encoded.

        Raises:
            DataError: the type of a column is not supported.
        """
        self.rows += batch.num_rows
        hashes: dict[str, np.ndarray] = {}
        for name in batch.schema.names:
            if name not in self.columns:
                self.columns[name] = ColumnStatistics(type_name(batch.schema.field(name).type))
            hashes[name] = self.columns[name].add(batch[name])
        if batch.num_rows:
            self._add_rows(batch, hashes)

    def merge(self, other: "TableStatistics") -> None:
        """Adds the statistics of another part of the same table."""
        self.rows += other.rows
        for name, column in other.columns.items():
            self.columns.setdefault(name, ColumnStatistics(column.type)).merge(column)
        self.sample.merge(other.sample)
        self.pairs.merge(other.pairs)

    def sampled_numbers(self, name: str) -> np.ndarray:
        """Finite numbers of one column in the sampled rows, including those inside lists."""
        column = self.sample.column(name)
        if column is None:
            return np.empty(0, np.float64)
        if self.columns[name].type.startswith("list"):
            column = pc.list_flatten(column)
        numbers = np.concatenate([as_numbers(chunk.drop_null()) for chunk in column.chunks])
        return numbers[np.isfinite(numbers)] if numbers.dtype.kind == "f" else numbers

    def _add_rows(self, batch: pa.RecordBatch, hashes: dict[str, np.ndarray]) -> None:
        combined = np.zeros(batch.num_rows, np.uint64)
        for name in sorted(hashes):
            combined = hash_pairs(combined, hashes[name])
        numeric = [name for name in sorted(hashes) if "string" not in self.columns[name].type]
        self.sample.add({name: batch[name] for name in numeric}, combined)
        if {"query_id", "candidate_id"} <= hashes.keys():
            pairs = pa.array(hash_pairs(hashes["query_id"], hashes["candidate_id"]))
            self.pairs.add(pairs, hash_values(pairs))


_HASH = "hash of the row"
