"""Packs a score and its column into one integer whose ascending order is "score descending, then column".

Sorting integers is several times faster than an indirect sort by two keys, and no two keys are equal.
"""

import numpy as np

from models.events.history import PADDING

NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)
"""The largest key; stands for a missing column."""

_SIGN = np.uint32(0x80000000)
_COLUMN = np.uint64(0xFFFFFFFF)


def sort_keys(scores: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Keys of finite scores and their columns, uint64 of the same shape.

    Args:
        scores: float32; 0.0 and -0.0 are equal.
        columns: integers from 0 below 2^32.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # the sum makes -0.0 equal to 0.0
    descending = np.where(bits & _SIGN, bits, ~(bits | _SIGN))
    return descending.astype(np.uint64) << np.uint64(32) | columns.astype(np.uint64)


def from_sort_keys(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns, int32, and scores, float32, of the keys; `PADDING` and -inf for `NOTHING`."""
    missing = keys == NOTHING
    descending = (keys >> np.uint64(32)).astype(np.uint32)
    bits = np.where(descending & _SIGN, descending, ~(descending | _SIGN))
    columns = np.where(missing, PADDING, (keys & _COLUMN).astype(np.int64)).astype(np.int32)
    return columns, np.where(missing, np.float32(-np.inf), bits.view(np.float32))
