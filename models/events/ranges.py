"""The candidates of queries, of whose events `offsets[q]:offsets[q + 1]` are those of query `q`."""

import numpy as np

from models.ragged import offsets_of, row_ranges


def distinct_candidates(offsets: np.ndarray, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct candidates of every query, ascending.

    For example, `offsets` [0, 3, 4] and `candidate` [7, 2, 7, 5] give ([0, 2, 3], [2, 7, 5]).

    Args:
        offsets: int64 `[queries + 1]`.
        candidate: int32 `[events]`.

    Returns:
        Offsets of each query's candidates, int64 `[queries + 1]`, and the candidates, int32 `[pairs]`.
    """
    candidates, sizes = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for first, last in row_ranges(offsets):
        part = np.asarray(candidate[offsets[first] : offsets[last]], np.int64)
        bases = np.arange(last - first + 1) * (int(part.max(initial=0)) + 1)
        pairs = np.sort(np.repeat(bases[:-1], np.diff(offsets[first : last + 1])) + part)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        sizes.append(np.diff(np.searchsorted(pairs, bases)))
        candidates.append((pairs - np.repeat(bases[:-1], sizes[-1])).astype(np.int32))
    return offsets_of(np.concatenate(sizes)), np.concatenate(candidates)
