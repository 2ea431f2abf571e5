"""Lists of different lengths in flat arrays: where each begins, and whose every entry is.

Row `i` has the entries `offsets[i]:offsets[i + 1]`. Light: NumPy only.
"""

from collections.abc import Iterator

import numpy as np

_RANGE_ENTRIES = 1 << 22


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """Where each row begins, and behind the last one where it ends, int64 `[rows + 1]`.

    Example: rows of 2, 0 and 3 entries begin at 0, 2 and 2 and end at 5: `[0, 2, 2, 5]`.
    """
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, dtype=np.int64, out=offsets[1:])
    return offsets


def rows_of(offsets: np.ndarray) -> np.ndarray:
    """The row of every entry, counted from 0, int64 `[entries]`.

    Example: `[0, 2, 2, 5]`, or `[7, 9, 9, 12]`, gives `[0, 0, 2, 2, 2]`.
    """
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def places_of(offsets: np.ndarray) -> np.ndarray:
    """The place of every entry in its own row, counted from 0, int64 `[entries]`.

    Example: `[0, 2, 2, 5]` gives `[0, 1, 0, 1, 2]`.
    """
    entries = int(offsets[-1] - offsets[0])
    places: np.ndarray = np.arange(entries) - np.repeat(offsets[:-1] - offsets[0], np.diff(offsets))
    return places


def row_sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The sum of each row's entries, int64 `[rows]`; of flags, how many are set.

    Example: of rows `[0, 2, 2, 5]`, the entries 1, 0, 1, 1 and 0 give `[1, 0, 2]`.

    Args:
        values: whole numbers or flags `[entries]`.
        offsets: of the rows.
    """
    sums: np.ndarray = np.diff(offsets_of(values)[offsets - offsets[0]])
    return sums


def concatenate_ranges(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integers of every range `starts[i]:ends[i]`, one range after the other, and the `i` of each.

    Example: 3:5, 0:0 and 7:8 are the integers `[3, 4, 7]` of the ranges `[0, 0, 2]`.

    Returns:
        The ranges and the integers, both int64 `[sum of the lengths]`.
    """
    offsets = offsets_of(ends - starts)
    row = rows_of(offsets)
    return row, np.arange(len(row)) + np.repeat(starts - offsets[:-1], ends - starts)


def row_ranges(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """All rows in runs `first:last` of about four million entries, for what is to be done in bounded memory.

    Example: rows of 3 million entries each are the runs 0:1, 1:2 and 2:3; of a million each, 0:4, 4:8 and so on.
    """
    first, rows = 0, len(offsets) - 1
    while first < rows:
        reached = int(np.searchsorted(offsets, offsets[first] + _RANGE_ENTRIES, side="right")) - 1
        last = min(max(first + 1, reached), rows)
        yield first, last
        first = last
