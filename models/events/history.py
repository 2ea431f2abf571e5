"""History windows: the candidates a query interacted with before a given event.

A window is int32 `[rows, length]` of candidate rows, most recent first, padded with -1 at the end. For example, with
`candidate` [4, 7, 9] of one query, the window of length 2 before the third event is [7, 4].
"""

import numpy as np

PADDING = -1


def windows_before(candidate: np.ndarray, starts: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
    """The last `length` events of `candidate[starts[i]:ends[i]]`, most recent first.

    Args:
        candidate: candidate row of every event, query by query, oldest event first, `[events]`.
        starts: first event of the row's query, `[rows]`.
        ends: first event that is not visible, `[rows]`.
        length: width of the window.
    """
    positions = ends[:, None] - 1 - np.arange(length)
    return _gather(candidate, positions, positions >= starts[:, None])


def windows_around(
    candidate: np.ndarray, starts: np.ndarray, ends: np.ndarray, labels: np.ndarray, length: int
) -> np.ndarray:
    """Up to `length` other events of the query, for unordered events; only the label's own event is left out.

    Args:
        candidate: as in `windows_before`.
        starts: first event of the row's query, `[rows]`.
        ends: one past the last event of the row's query, `[rows]`.
        labels: position of the event to leave out, `starts <= labels < ends`, `[rows]`.
        length: width of the window.
    """
    sizes = (ends - starts)[:, None]
    steps = np.arange(1, length + 1)
    positions = starts[:, None] + (labels[:, None] - starts[:, None] + steps) % sizes
    return _gather(candidate, positions, steps < sizes)


def _gather(candidate: np.ndarray, positions: np.ndarray, valid: np.ndarray) -> np.ndarray:
    if len(candidate) == 0:
        return np.full(positions.shape, PADDING, np.int32)
    rows: np.ndarray = np.where(valid, candidate[np.where(valid, positions, 0)], PADDING).astype(np.int32)
    return rows
