"""Ranges of flat arrays: the events of query `q` are `offsets[q]:offsets[q + 1]`."""

from collections.abc import Iterator

import numpy as np

_RANGE_EVENTS = 1 << 22


def query_ranges(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Splits all queries into ranges `first:last` of about four million events, to bound memory."""
    first, queries = 0, len(offsets) - 1
    while first < queries:
        reached = int(np.searchsorted(offsets, offsets[first] + _RANGE_EVENTS, side="right")) - 1
        last = min(max(first + 1, reached), queries)
        yield first, last
        first = last


def distinct_candidates(offsets: np.ndarray, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct candidates of every query, ascending.

    For example, `offsets` [0, 3, 4] and `candidate` [7, 2, 7, 5] give ([0, 2, 3], [2, 7, 5]).

    Args:
        offsets: int64 `[queries + 1]`.
        candidate: int32 `[events]`.

    Returns:
        Offsets of each query's candidates, int64 `[queries + 1]`, and the candidates, int32 `[pairs]`.
    """
    candidates, sizes = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    for first, last in query_ranges(offsets):
        part = np.asarray(candidate[offsets[first] : offsets[last]], np.int64)
        bases = np.arange(last - first + 1) * (int(part.max(initial=0)) + 1)
        pairs = np.sort(np.repeat(bases[:-1], np.diff(offsets[first : last + 1])) + part)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        sizes.append(np.diff(np.searchsorted(pairs, bases)))
        candidates.append((pairs - np.repeat(bases[:-1], sizes[-1])).astype(np.int32))
    return np.cumsum(np.concatenate(sizes)), np.concatenate(candidates)


def concatenate_ranges(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integers of all ranges `starts[i]:ends[i]`, range by range, preceded by the `i` of each.

    For example, `starts` [0, 5, 9] and `ends` [2, 5, 12] give ([0, 0, 2, 2, 2], [0, 1, 9, 10, 11]).
    """
    sizes = ends - starts
    row = np.repeat(np.arange(len(starts)), sizes)
    before = np.cumsum(sizes) - sizes
    return row, np.arange(len(row)) + np.repeat(starts - before, sizes)
