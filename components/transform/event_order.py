"""Orders the events of queries by content alone, so that runner, batch size and shard count do not matter."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def event_order(queries: np.ndarray, keys: Sequence[np.ndarray], rest: pa.Table) -> np.ndarray:
    """Positions of the events sorted by query, then by each of the keys, int64 `[events]`.

    One sort by one packed integer decides nearly all of the order. Only rows that it leaves tied are compared in full.

    Example: queries `[1, 0, 1]` with the times `[5, 9, 3]` give `[1, 2, 0]`.

    Args:
        queries: position of each event's query, `[events]`.
        keys: at least one array of numbers `[events]`, the most important first.
        rest: all other columns of the events, so that only fully equal events stay tied.
    """
    packed = _packed(queries, keys[0])
    order = np.argsort(packed)
    order = _resolve(order, [packed], [packed, *keys])
    tied = _tied([queries, *keys], order)
    if rest.num_columns and tied.any():
        # The same query, candidate and moment twice is rare, so Python is fast enough.
        rows = order[tied]
        texts = np.array([repr(list(row.values())) for row in rest.take(pa.array(rows)).to_pylist()])
        order[tied] = rows[np.lexsort([texts, *(key[rows] for key in reversed([queries, *keys]))])]
    return order


def _packed(queries: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Packs the query and as many leading bits of the key as fit into one uint64 with the same order.

    Example: with two queries, one bit holds the query and 63 bits hold the key minus its minimum.
    """
    ranks = queries.astype(np.uint64)
    if key.dtype.kind == "f" or len(key) == 0:
        return ranks
    offset = (key.astype(np.uint64) - np.uint64(key.min())) if key.dtype.kind == "u" else _above_minimum(key)
    room = 64 - int(ranks.max()).bit_length()
    bits = int(offset.max()).bit_length()
    return (ranks << np.uint64(min(bits, room))) | (offset >> np.uint64(max(0, bits - room)))


def _above_minimum(key: np.ndarray) -> np.ndarray:
    # The difference of two int64 can exceed int64. As a uint64 it is exact.
    with np.errstate(over="ignore"):
        offset: np.ndarray = key.astype(np.int64).view(np.uint64) - np.int64(key.min()).view(np.uint64)
    return offset


def _resolve(order: np.ndarray, decided: Sequence[np.ndarray], keys: Sequence[np.ndarray]) -> np.ndarray:
    """Sorts the rows that `decided` leaves tied by all keys."""
    tied = _tied(decided, order)
    rows = order[tied]
    order[tied] = rows[np.lexsort([key[rows] for key in reversed(keys)])]
    return order


def _tied(keys: Sequence[np.ndarray], order: np.ndarray) -> np.ndarray:
    """Marks the places of a sorted order whose row equals a neighbour in all keys, bool `[rows]`."""
    tied = np.zeros(len(order), bool)
    if len(order) > 1:
        same = np.ones(len(order) - 1, bool)
        for key in keys:
            values = key[order]
            same &= values[1:] == values[:-1]
        tied[1:] |= same
        tied[:-1] |= same
    return tied
