"""The order of a query's events, by content alone: the same for every runner, batch size and shard count."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def event_order(queries: np.ndarray, keys: Sequence[np.ndarray], rest: pa.Table) -> np.ndarray:
    """Positions of the events sorted by query, then by each of the keys, int64 `[events]`.

    Nearly everything is decided by one sort of one integer; only rows that it leaves tied are compared in full.

    Args:
        queries: position of each event's query, `[events]`.
        keys: at least one array of numbers `[events]`, the most important first.
        rest: everything else the events consist of, so that only events that are equal altogether stay tied.
    """
    packed = _packed(queries, keys[0])
    order = np.argsort(packed)
    order = _resolve(order, [packed], [packed, *keys])
    tied = _tied([queries, *keys], order)
    if rest.num_columns and tied.any():
        # Rare, so Python is quick enough: the same query, candidate and moment twice.
        rows = order[tied]
        texts = np.array([repr(list(row.values())) for row in rest.take(pa.array(rows)).to_pylist()])
        order[tied] = rows[np.lexsort([texts, *(key[rows] for key in reversed([queries, *keys]))])]
    return order


def _packed(queries: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Query and as many leading bits of the key as fit, in one uint64 that sorts alike."""
    ranks = queries.astype(np.uint64)
    if key.dtype.kind == "f" or len(key) == 0:
        return ranks
    offset = (key.astype(np.uint64) - np.uint64(key.min())) if key.dtype.kind == "u" else _above_minimum(key)
    room = 64 - int(ranks.max()).bit_length()
    bits = int(offset.max()).bit_length()
    return (ranks << np.uint64(min(bits, room))) | (offset >> np.uint64(max(0, bits - room)))


def _above_minimum(key: np.ndarray) -> np.ndarray:
    # The difference of two int64 may exceed int64, but never the uint64 it wraps into.
    with np.errstate(over="ignore"):
        offset: np.ndarray = key.astype(np.int64).view(np.uint64) - np.int64(key.min()).view(np.uint64)
    return offset


def _resolve(order: np.ndarray, decided: Sequence[np.ndarray], keys: Sequence[np.ndarray]) -> np.ndarray:
    """Sorts by all keys the rows that the decided ones leave tied."""
    tied = _tied(decided, order)
    rows = order[tied]
    order[tied] = rows[np.lexsort([key[rows] for key in reversed(keys)])]
    return order


def _tied(keys: Sequence[np.ndarray], order: np.ndarray) -> np.ndarray:
    """Which places of a sorted order hold a row equal to its neighbour in all keys."""
    tied = np.zeros(len(order), bool)
    if len(order) > 1:
        same = np.ones(len(order) - 1, bool)
        for key in keys:
            values = key[order]
            same &= values[1:] == values[:-1]
        tied[1:] |= same
        tied[:-1] |= same
    return tied
