"""Statistics that preprocessing needs: vocabularies, means and standard deviations, quantiles.

Every statistic is a sum of states of batches. The sum does not depend on how rows were batched or in which order the
batches came.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.columns.columnar import Mergeable
from dataplane.columns.exact_moments import ExactMoments
from dataplane.columns.raw_features import numbers_of, plain_column, strings_of
from dataplane.errors import DataError
from models.spec.features import (
    CANDIDATE_ID,
    QUERY_ID,
    CategoricalFeature,
    Feature,
    IdFeature,
    NumericFeature,
    TextFeature,
)

SAMPLE_ROWS = 1 << 17
"""Rows of the sample from which quantiles are read; their ranks are accurate to about 0.1 %."""
_COMPACT_ROWS = 1 << 20


@dataclass(frozen=True)
class ValueCounts:
    """How often each value occurs.

    Attributes:
        parts: tables of `value` and `count`. A value occurs once in a table but may occur in several tables.
    """

    parts: tuple[pa.Table, ...] = ()

    @staticmethod
    def of(values: pa.Array, counts: np.ndarray | None = None) -> "ValueCounts":
        """Counts the values of an array without nulls; `counts` gives each element a multiplicity, by default 1."""
        if counts is not None:
            return ValueCounts((_sums([pa.table({"value": values, "count": pa.array(counts, pa.int64())})]),))
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        entries = np.bincount(encoded.indices.to_numpy(zero_copy_only=False), minlength=len(encoded.dictionary))
        used = np.flatnonzero(entries)
        distinct = encoded.dictionary.take(pa.array(used))
        if pa.types.is_string(distinct.type):
            distinct = distinct.cast(pa.large_string())
        return ValueCounts((pa.table({"value": distinct, "count": entries[used]}),))

    def __add__(self, other: "ValueCounts") -> "ValueCounts":
        parts = self.parts + other.parts
        large = max((len(part) for part in parts), default=0)
        if sum(map(len, parts)) > 2 * max(large, _COMPACT_ROWS):
            parts = (_sums(parts),)
        return ValueCounts(parts)

    @cached_property
    def table(self) -> pa.Table:
        """Distinct `value`s with their `count`, int64. The most frequent comes first, ties are ordered by value."""
        return self.unordered.sort_by([("count", "descending"), ("value", "ascending")])

    @property
    def unordered(self) -> pa.Table:
        """The rows of `table` in no particular order."""
        return self.parts[0] if len(self.parts) == 1 else _sums(self.parts)

    def __getstate__(self) -> dict[str, object]:
        return {"parts": (_sums(self.parts),) if len(self.parts) > 1 else self.parts}


@dataclass(frozen=True)
class RowSample:
    """A uniform sample of numbers, those of the rows with the smallest hashes. It does not depend on the batches.

    Attributes:
        hashes: uint64 `[rows]`.
        numbers: float32 `[rows]`.
    """

    hashes: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    numbers: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))

    @staticmethod
    def of(hashes: np.ndarray, numbers: np.ndarray) -> "RowSample":
        """Samples rows by their hashes; their numbers order rows of equal hashes."""
        if len(hashes) > SAMPLE_ROWS:
            few = hashes <= np.partition(hashes, SAMPLE_ROWS - 1)[SAMPLE_ROWS - 1]
            hashes, numbers = hashes[few], numbers[few]
        order = np.lexsort([numbers, hashes])[:SAMPLE_ROWS]
        return RowSample(hashes[order], numbers[order])

    def __add__(self, other: "RowSample") -> "RowSample":
        return RowSample.of(np.concatenate([self.hashes, other.hashes]), np.concatenate([self.numbers, other.numbers]))

    def boundaries(self, buckets: int) -> tuple[float, ...]:
        """Lower bounds of the second and later of `buckets` equally filled buckets; fewer if values repeat.

        Example: the numbers 1, 2, 3, 4 in two buckets give `(3.0,)`: 1 and 2 lie below it, 3 and 4 from it on.
        """
        if len(self.numbers) == 0:
            return ()
        ranks = np.arange(1, buckets) / buckets
        found = np.unique(np.quantile(self.numbers, ranks, method="higher"))
        # If a bucket started at the smallest number, the bucket below it would be empty.
        return tuple(float(value) for value in found[found > self.numbers.min()])


def analyse(
    features: Mapping[str, Feature], columns: pa.Table, row_hashes: np.ndarray
) -> Iterator[tuple[str, Mergeable]]:
    """Computes the states of one batch, for every feature that learns from its column.

    Ids of queries and candidates are left out because their vocabularies come from the training events.

    Args:
        features: features by name.
        columns: the batch, with the columns of the features.
        row_hashes: hashes of the rows' contents, uint64 `[rows]`.

    Raises:
        DataError: the feature cannot use the type of its column.
    """
    for name, feature in features.items():
        if not learns_from_column(name, feature):
            continue
        try:
            yield name, _state(feature, plain_column(columns, feature.column or name), row_hashes)
        except DataError as error:
            raise DataError(f"{feature.type} feature '{name}', column '{feature.column or name}': {error}") from None


def learns_from_column(name: str, feature: Feature) -> bool:
    """Whether `analyse` computes a state for this feature."""
    if isinstance(feature, IdFeature | CategoricalFeature):
        return (feature.column or name) not in (QUERY_ID, CANDIDATE_ID)
    return isinstance(feature, TextFeature | NumericFeature)


def _state(feature: Feature, column: pa.Array, row_hashes: np.ndarray) -> Mergeable:
    if isinstance(feature, NumericFeature):
        return _number_state(feature, numbers_of(column), row_hashes)
    strings = strings_of(feature, column)
    strings = strings.filter(pc.fill_null(pc.not_equal(strings, ""), False))
    return _token_counts(strings) if isinstance(feature, TextFeature) else ValueCounts.of(strings)


def _number_state(feature: NumericFeature, numbers: np.ndarray, row_hashes: np.ndarray) -> Mergeable:
    known = np.isfinite(numbers)
    if feature.transform in ("quantile", "piecewise"):
        return RowSample.of(row_hashes[known], numbers[known])
    # Twice the precision of the encoded value, so that the last bit of the logarithm does not matter.
    values = numbers[known].astype(np.float64)
    return ExactMoments.of(np.sign(values) * np.log1p(np.abs(values)) if feature.transform == "log" else values)


def _token_counts(texts: pa.Array) -> ValueCounts:
    import tensorflow as tf

    from models.preprocessing.text import tokenize

    counted = ValueCounts.of(texts).table
    words = tokenize(tf.constant(counted["value"].to_numpy(), tf.string, shape=[len(counted)]))
    values = pa.array(words.values.numpy(), pa.binary()).cast(pa.large_string())
    return ValueCounts.of(values, np.repeat(counted["count"].to_numpy(), words.row_lengths().numpy()))


def _sums(parts: Sequence[pa.Table]) -> pa.Table:
    """Sums the counts of equal values over all parts, for strings several times as fast as `group_by`.

    Example: the rows (a, 2), (b, 1), (a, 3) become (a, 5), (b, 1).
    """
    rows = pa.concat_tables(parts)
    encoded = rows["value"].combine_chunks().dictionary_encode()
    # Sums of integers below 2^53 are exact in float64.
    counts = np.bincount(encoded.indices.to_numpy(), rows["count"].to_numpy(), len(encoded.dictionary))
    return pa.table({"value": encoded.dictionary, "count": counts.astype(np.int64)})
