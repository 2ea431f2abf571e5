"""Aligns the rows of an embedding table with those of an earlier one, whose vocabulary had another size and order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from models.spec.features import Side

Key: TypeAlias = tuple[Side, str]
"""Side and name of a column of tokens."""


@dataclass(frozen=True)
class Alignment:
    """Which rows of an earlier table the rows of a new one start from.

    Attributes:
        source: row of the earlier table for each row, int64 `[rows]`; for an unknown value, the out-of-vocabulary row
            that stood for it.
        known: whether the earlier table had the value of the row, bool `[rows]`.
        gone: number of values that only the earlier table had.
    """

    source: np.ndarray
    known: np.ndarray
    gone: int = 0

    @property
    def new(self) -> int:
        """Number of values that only the new table has."""
        return int(np.count_nonzero(~self.known))

    def rows(self, earlier: np.ndarray) -> np.ndarray:
        """A table for the new vocabulary from one for the earlier vocabulary, `[earlier rows, …]` → `[rows, …]`."""
        taken: np.ndarray = earlier[self.source]
        return taken

    def known_rows(self, earlier: np.ndarray) -> np.ndarray:
        """As `rows`, with zeros for unknown values."""
        taken = self.rows(earlier)
        taken[~self.known] = 0
        return taken


Alignments: TypeAlias = Mapping[Key, Alignment]


def aligned_by_value(
    earlier: Sequence[str] | np.ndarray, values: Sequence[str] | np.ndarray, *, oov_buckets: int
) -> Alignment:
    """Aligns two vocabularies.

    For example, with one out-of-vocabulary row, the values [b, c] after [a, b] have source [0, 1, 3, 1]: the rows of
    missing and unknown values, that of b, and for c the row of unknown values.

    Args:
        earlier: values of the earlier vocabulary in the order of their tokens, as `Vocabulary` takes them.
        values: those of the new vocabulary.
        oov_buckets: out-of-vocabulary rows of both.
    """
    first = 1 + oov_buckets
    row_of = {value: row for row, value in enumerate(earlier, first)}
    found = np.fromiter((row_of.get(value, 0) for value in values), np.int64, len(values))
    known = found > 0
    source = np.concatenate([np.arange(first), np.where(known, found, _buckets(values, oov_buckets))])
    return Alignment(source, np.concatenate([np.ones(first, bool), known]), len(earlier) - int(known.sum()))


def aligned_by_position(earlier: int, rows: int) -> Alignment:
    """Aligns tables whose rows mean the same by position, such as hours; further rows start from the last one."""
    positions = np.arange(rows)
    return Alignment(np.minimum(positions, earlier - 1), positions < earlier, max(earlier - rows, 0))


def _buckets(values: Sequence[str] | np.ndarray, number: int) -> np.ndarray:
    """The out-of-vocabulary row of each value, as `models.preprocessing.vocabulary.Vocabulary` gives it."""
    if len(values) == 0:
        return np.empty(0, np.int64)
    hashed: np.ndarray = tf.strings.to_hash_bucket_fast(tf.constant(values, tf.string), number).numpy()
    return 1 + hashed
