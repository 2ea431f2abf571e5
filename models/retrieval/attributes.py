"""Attributes of the candidates inside a TensorFlow graph: who has a value, and whose number lies in a range.

The variables have no fixed length, so that other attributes of the same candidates can replace them in a saved model.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import tensorflow as tf

from models.retrieval.signatures import Specs, Tensors
from models.spec.selection import FilterKind, filter_inputs

_HASH_RANGE = (1 << 63) - 1
_LEAST = np.iinfo(np.int64).min
_BLOCK_PAIRS = 1 << 23  # pairs of a value and a candidate looked up at once: 64 MB

Wanted: TypeAlias = dict[str, tf.Tensor]
"""What a batch of requests wants of one attribute; each tensor has the batch as its first dimension."""


@dataclass(frozen=True)
class Values:
    """A column of values, of which a candidate has any number.

    Attributes:
        names: the distinct values, strings that are not empty, `[values]`.
        codes: place in `names` of each value that a candidate has, int `[pairs]`.
        rows: row of that candidate, int `[pairs]`.
    """

    names: np.ndarray
    codes: np.ndarray
    rows: np.ndarray


class Constraint(Protocol):
    """One filter over all candidates."""

    def inputs(self) -> Specs:
        """The inputs of a signature that state the constraint."""
        ...

    def wanted(self, request: Tensors) -> Wanted:
        """Looks up what a batch of requests wants.

        Returns:
            Among others `is_given`, bool `[batch]`; `share`, the estimated share of the candidates that match, float32
            `[batch]`; and, unless the constraint only excludes, `starts` and `lengths`, int32 `[batch, lists]`: lists
            that have every candidate that matches.
        """
        ...

    def rows_at(self, places: tf.Tensor) -> tf.Tensor:
        """The candidate rows, int32, at places in the lists."""
        ...

    def matches(self, wanted: Wanted, rows: tf.Tensor) -> tf.Tensor:
        """Which of the candidate rows `[batch, any]`, not negative, match; all if no constraint is given."""
        ...


class ValueConstraint(tf.Module):
    """`any_of`, `all_of`, `none_of` or `equals`; "" is no value, and a value that no candidate has matches none.

    A pair is the number `code · candidates + row`; the pairs in their order are lists of the rows of each code.
    """

    def __init__(self, name: str, kind: FilterKind, values: Values, *, candidates: int) -> None:
        """Sorts the pairs of values and candidates.

        Raises:
            ValueError: two values have the same 63-bit hash.
        """
        super().__init__(name="value_constraint")
        (self._input,) = filter_inputs(name, kind)
        self._kind, self._candidates = kind, candidates
        hashes: np.ndarray = _hash(tf.constant(list(values.names), tf.string, [len(values.names)])).numpy()
        order = np.argsort(hashes)
        if not np.diff(hashes[order]).all():
            raise ValueError(f"two values of '{name}' have the same hash; drop the filter")
        code_of = np.empty(len(order), np.int64)
        code_of[order] = np.arange(1, len(order) + 1)  # code 0 belongs to no value
        pairs = np.unique(code_of[values.codes] * candidates + values.rows)
        names = np.concatenate([[""], np.asarray(values.names, object)[order]]).astype(object)
        self.names = _resizable(names, tf.string, "names")
        self.hashes = _resizable(np.concatenate([[_LEAST], hashes[order]]), tf.int64, "hashes")
        self.pairs = _resizable(np.concatenate([[_LEAST], pairs]), tf.int64, "pairs")

    def inputs(self) -> Specs:
        """See `Constraint.inputs`."""
        shape = [None] if self._kind == "equals" else [None, None]
        return {self._input: tf.TensorSpec(shape, tf.string, name=self._input)}

    def wanted(self, request: Tensors) -> Wanted:
        """See `Constraint.wanted`."""
        names = request[self._input][:, None] if self._kind == "equals" else request[self._input]
        # A column of padding keeps the rows from being empty.
        names = tf.pad(names, [[0, 0], [0, 1]], constant_values="")
        codes, named = self._codes(names), tf.not_equal(names, "")
        starts = _lower_bounds(self.pairs, codes * self._candidates)
        lengths = tf.where(codes > 0, _lower_bounds(self.pairs, (codes + 1) * self._candidates) - starts, 0)
        shares = tf.cast(lengths, tf.float32) / self._candidates
        wanted = {"codes": codes, "named": named, "is_given": tf.reduce_any(named, axis=1)}
        if self._kind == "none_of":
            return {**wanted, "share": tf.maximum(1 - tf.reduce_sum(shares, axis=1), 0.0)}
        if self._kind == "all_of":
            shortest = tf.argmin(tf.where(named, lengths, self._candidates), axis=1)[:, None]
            starts, lengths = (tf.gather(lists, shortest, batch_dims=1) for lists in (starts, lengths))
            share = tf.reduce_prod(tf.where(named, shares, 1.0), axis=1)
        else:
            share = tf.minimum(tf.reduce_sum(shares, axis=1), 1.0)
        return {**wanted, "share": tf.where(wanted["is_given"], share, 1.0), "starts": starts, "lengths": lengths}

    def rows_at(self, places: tf.Tensor) -> tf.Tensor:
        """See `Constraint.rows_at`."""
        return tf.cast(tf.gather(self.pairs.read_value(), places) % self._candidates, tf.int32)

    def matches(self, wanted: Wanted, rows: tf.Tensor) -> tf.Tensor:
        """See `Constraint.matches`."""
        codes, named, rows = wanted["codes"], wanted["named"], tf.cast(rows, tf.int64)
        block, needs_all = tf.maximum(_BLOCK_PAIRS // tf.maximum(tf.size(rows), 1), 1), self._kind == "all_of"

        def look_up(start: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            part = codes[:, None, start : start + block]
            has = _is_among(self.pairs, part * self._candidates + rows[:, :, None])
            if needs_all:
                return start + block, found & tf.reduce_all(has | ~named[:, None, start : start + block], axis=2)
            return start + block, found | tf.reduce_any(has, axis=2)

        start = (tf.constant(0), tf.fill(tf.shape(rows), needs_all))
        _, found = tf.while_loop(lambda start, _: start < tf.shape(codes)[1], look_up, start, parallel_iterations=1)
        if needs_all:
            return found
        return ~found if self._kind == "none_of" else found | ~wanted["is_given"][:, None]

    def _codes(self, names: tf.Tensor) -> tf.Tensor:
        """Codes of values, int64 of the same shape; 0 for "" and for a value that no candidate has."""
        places = tf.minimum(_lower_bounds(self.hashes, _hash(names)), tf.size(self.hashes) - 1)
        return tf.cast(tf.where(tf.equal(tf.gather(self.names.read_value(), places), names), places, 0), tf.int64)


class RangeConstraint(tf.Module):
    """`range`: from a least to a greatest number, both included; NaN is no bound and, of a candidate, no number."""

    def __init__(self, name: str, numbers: np.ndarray) -> None:
        """Sorts the candidates by number, float64 `[candidates]`."""
        super().__init__(name="range_constraint")
        self._least, self._most = filter_inputs(name, "range")
        self._candidates = len(numbers)
        order = np.argsort(numbers, kind="stable")[: np.count_nonzero(~np.isnan(numbers))]  # NaN comes last
        self.numbers = _resizable(numbers, tf.float64, "numbers")
        self.order = _resizable(order, tf.int32, "order")
        self.sorted = _resizable(numbers[order], tf.float64, "sorted")

    def inputs(self) -> Specs:
        """See `Constraint.inputs`."""
        return {name: tf.TensorSpec([None], tf.float64, name=name) for name in (self._least, self._most)}

    def wanted(self, request: Tensors) -> Wanted:
        """See `Constraint.wanted`."""
        least, most = request[self._least], request[self._most]
        is_given = ~(tf.math.is_nan(least) & tf.math.is_nan(most))
        least = tf.where(tf.math.is_nan(least), tf.constant(-np.inf, tf.float64), least)
        most = tf.where(tf.math.is_nan(most), tf.constant(np.inf, tf.float64), most)
        starts = _lower_bounds(self.sorted, least)
        ends = tf.raw_ops.UpperBound(sorted_inputs=self.sorted.read_value()[None], values=most[None])[0]
        lengths = tf.maximum(ends - starts, 0)
        return {
            "is_given": is_given,
            "least": least,
            "most": most,
            "share": tf.where(is_given, tf.cast(lengths, tf.float32) / self._candidates, 1.0),
            "starts": starts[:, None],
            "lengths": lengths[:, None],
        }

    def rows_at(self, places: tf.Tensor) -> tf.Tensor:
        """See `Constraint.rows_at`."""
        return tf.gather(self.order.read_value(), places)

    def matches(self, wanted: Wanted, rows: tf.Tensor) -> tf.Tensor:
        """See `Constraint.matches`."""
        numbers = tf.gather(self.numbers.read_value(), rows)
        inside = (numbers >= wanted["least"][:, None]) & (numbers <= wanted["most"][:, None])
        return inside | ~wanted["is_given"][:, None]


def _resizable(values: np.ndarray, dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(values, trainable=False, dtype=dtype, shape=tf.TensorShape([None]), name=name)


def _hash(names: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_strong(names, _HASH_RANGE, [0, 0])


def _lower_bounds(ordered: tf.Variable, values: tf.Tensor) -> tf.Tensor:
    """Places of the first entries not below `values`, int32 of their shape."""
    flat = tf.reshape(values, [1, -1])
    return tf.reshape(tf.raw_ops.LowerBound(sorted_inputs=ordered.read_value()[None], values=flat), tf.shape(values))


def _is_among(ordered: tf.Variable, values: tf.Tensor) -> tf.Tensor:
    places = tf.minimum(_lower_bounds(ordered, values), tf.size(ordered) - 1)
    return tf.equal(tf.gather(ordered.read_value(), places), values)
