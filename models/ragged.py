"""Offsets and ranges of ragged arrays, which hold rows of different lengths in one flat array.

Row `i` has the entries `offsets[i]:offsets[i + 1]`. The module imports only NumPy.
"""

from collections.abc import Iterator

import numpy as np

_RANGE_ENTRIES = 1 << 22


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """The start of each row, followed by the end of the last row, int64 `[rows + 1]`.

    Example: rows of 2, 0 and 3 entries start at 0, 2 and 2 and end at 5: `[0, 2, 2, 5]`.
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
    """The position of every entry in its own row, counted from 0, int64 `[entries]`.

    Example: `[0, 2, 2, 5]` gives `[0, 1, 0, 1, 2]`.
    """
    entries = int(offsets[-1] - offsets[0])
    places: np.ndarray = np.arange(entries) - np.repeat(offsets[:-1] - offsets[0], np.diff(offsets))
    return places


def row_sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The sum of each row's entries, int64 `[rows]`; for flags, the number of set flags.

    Example: with offsets `[0, 2, 2, 5]`, the entries 1, 0, 1, 1 and 0 give `[1, 0, 2]`.

    Args:
        values: whole numbers or flags `[entries]`.
        offsets: of the rows.
    """
    sums: np.ndarray = np.diff(offsets_of(values)[offsets - offsets[0]])
    return sums


def concatenate_ranges(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integers of every range `starts[i]:ends[i]`, range after range, and the `i` of each integer.

    Example: the ranges 3:5, 0:0 and 7:8 give `[0, 0, 2]` and `[3, 4, 7]`.

    Returns:
        The range of each integer, and the integers, both int64 `[sum of the lengths]`.
    """
    offsets = offsets_of(ends - starts)
    row = rows_of(offsets)
    return row, np.arange(len(row)) + np.repeat(starts - offsets[:-1], ends - starts)


def row_ranges(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Splits all rows into runs `first:last` of about four million entries, to bound memory.

    Example: rows of 3 million entries each give the runs 0:1, 1:2 and 2:3. Rows of a million each give 0:4, 4:8, ….
    """
    first, rows = 0, len(offsets) - 1
    while first < rows:
        reached = int(np.searchsorted(offsets, offsets[first] + _RANGE_ENTRIES, side="right")) - 1
        last = min(max(first + 1, reached), rows)
        yield first, last
        first = last
