"""Lookup of row numbers by id, for whole columns at a time."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.columns.hashing import hash_strings


class IdIndex:
    """Finds the rows of ids by their hashes; the cost of a lookup depends on the batch, not on the number of ids.

    Attributes:
        ids: the distinct ids in row order.
        hashes: `hash_strings` of the ids, uint64 `[rows]`.
    """

    def __init__(self, ids: pa.Array) -> None:
        self.ids = ids
        self.hashes = hash_strings(ids)
        self._order = np.argsort(self.hashes, kind="stable")
        self._sorted = self.hashes[self._order]

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, values: pa.Array) -> np.ndarray:
        """Row of each value, int32; -1 for a value that is not an id.

        Args:
            values: strings without nulls. If they are dictionary-encoded, only the dictionary is looked up.
        """
        if pa.types.is_dictionary(values.type):
            rows: np.ndarray = self.rows(values.dictionary)[values.indices.to_numpy(zero_copy_only=False)]
            return rows
        if len(self) == 0 or len(values) == 0:
            return np.full(len(values), -1, np.int32)
        hashes = hash_strings(values)
        found = self._order[np.minimum(np.searchsorted(self._sorted, hashes), len(self) - 1)].astype(np.int32)
        matched = self.hashes[found] == hashes
        matched &= pc.equal(self.ids.take(pa.array(found)), values.cast(self.ids.type)).to_numpy(zero_copy_only=False)
        # A different hash means a different id. An equal hash with a different id may be a collision.
        collided = ~matched & (self.hashes[found] == hashes)
        found[~matched] = -1
        if collided.any():
            positions = pc.index_in(values.filter(pa.array(collided)).cast(self.ids.type), value_set=self.ids)
            found[collided] = pc.fill_null(positions, -1).to_numpy(zero_copy_only=False)
        return found
