"""Search among the candidates whose attributes meet constraints.

A query whose constraints leave few candidates is answered exactly, from lists of the candidates that match. Otherwise
the index is asked for more answers than needed, by the estimated share of the candidates that match, and those that do
not match are dropped. A query that is then short of answers asks for four times as many, and in the end is answered
exactly, so that no query gets fewer answers than there are.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from models.preprocessing.packing import packed
from models.retrieval.attributes import Constraint, Wanted
from models.retrieval.filtering import is_among, no_answers, ordered, search_among
from models.retrieval.index import Search, first_kept

Found: TypeAlias = tuple[tf.Tensor, tf.Tensor]
"""Rows int32 and scores float32, both `[batch, count]`, best first, padded with -1 and float32.min."""

INDEXED_SHARE = 1 / 24
"""Share of the candidates that the index is asked for at most."""
_WIDER = 4
_BLOCK_ROWS = 1 << 22  # candidates of all queries that are listed at once
_DONE = tf.int32.max


class Asked(NamedTuple):
    """A batch of queries with constraints.

    Attributes:
        queries: float32 `[batch, dim]`.
        excluded: candidate rows, int32 `[batch, any]`, padded with -1.
        wanted: what each constraint, by name, looks for.
    """

    queries: tf.Tensor
    excluded: tf.Tensor
    wanted: dict[str, Wanted]

    def part(self, places: tf.Tensor) -> "Asked":
        """The queries at `places`, int `[any]`."""
        wanted = {
            name: {key: tf.gather(value, places) for key, value in one.items()} for name, one in self.wanted.items()
        }
        return Asked(tf.gather(self.queries, places), tf.gather(self.excluded, places), wanted)


class ConstrainedSearch:
    """Finds the best candidates that meet all constraints."""

    def __init__(
        self,
        search: Search,
        constraints: Mapping[str, Constraint],
        *,
        candidates: int,
        indexed_share: float = INDEXED_SHARE,
    ) -> None:
        """Puts constraints before a search.

        Args:
            search: finds candidates and holds their embeddings.
            constraints: by name.
            candidates: number of candidates.
            indexed_share: share of the candidates that `search` is asked for at most; the rest is exact.
        """
        self._search, self._constraints, self._candidates = search, constraints, candidates
        self._most_indexed = int(candidates * indexed_share)

    def find(self, asked: Asked, count: int | tf.Tensor) -> Found:
        """The best `count` candidates of each query that match and are not excluded."""
        need = self._need(asked, count)

        def is_short(need: tf.Tensor, _rows: tf.Tensor, _scores: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(need <= self._most_indexed)

        def ask(need: tf.Tensor, rows: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
            # Queries that need about as much are asked together.
            width = tf.minimum(2 * tf.reduce_min(need), self._most_indexed)
            places = tf.where(need <= width)
            new_rows, new_scores = self._indexed(asked.part(places[:, 0]), width, count)
            wider = tf.where(new_rows[:, -1] >= 0, _DONE, _WIDER * tf.gather_nd(need, places))
            return (
                tf.tensor_scatter_nd_update(need, places, wider),
                tf.tensor_scatter_nd_update(rows, places, new_rows),
                tf.tensor_scatter_nd_update(scores, places, new_scores),
            )

        start = (need, *no_answers(tf.shape(need)[0], count))
        need, rows, scores = tf.while_loop(is_short, ask, start, parallel_iterations=1)
        places = tf.where(need < _DONE)

        def complete() -> Found:
            exact_rows, exact_scores = self._exact(asked.part(places[:, 0]), count)
            return (
                tf.tensor_scatter_nd_update(rows, places, exact_rows),
                tf.tensor_scatter_nd_update(scores, places, exact_scores),
            )

        rows, scores = tf.cond(tf.size(places) > 0, complete, lambda: (rows, scores))
        return rows, scores

    def _need(self, asked: Asked, count: int | tf.Tensor) -> tf.Tensor:
        """How many answers of the index are expected to have `count` that are left, int32 `[batch]`."""
        amount = tf.cast(count, tf.float32)
        need = tf.fill([tf.shape(asked.queries)[0]], amount)
        if asked.wanted:
            share = tf.reduce_prod(tf.stack([wanted["share"] for wanted in asked.wanted.values()]), axis=0)
            is_given = tf.reduce_any(tf.stack([wanted["is_given"] for wanted in asked.wanted.values()]), axis=0)
            # The number that match varies by its square root.
            need = tf.where(is_given, (amount + 3 * tf.sqrt(amount)) / tf.maximum(share, 1e-9), need)
        excluded = tf.reduce_sum(tf.cast(asked.excluded >= 0, tf.float32), axis=1)
        return tf.cast(tf.math.ceil(tf.minimum(need + excluded, 1e9)), tf.int32)

    def _indexed(self, asked: Asked, width: tf.Tensor, count: int | tf.Tensor) -> Found:
        """Those of the index's best `width` answers that are left."""
        rows, scores = self._search.found(asked.queries, width)
        keep = tf.math.is_finite(scores) & (rows >= 0) & (scores > tf.float32.min)
        keep &= ~is_among(ordered(asked.excluded), rows)
        return first_kept(rows, scores, keep & self._matches(asked, rows), count=count)

    def _exact(self, asked: Asked, count: int | tf.Tensor) -> Found:
        """Scores every candidate that matches, in blocks of queries so that memory stays bounded."""
        sizes = self._list_sizes(asked)
        shortest, batch = tf.argmin(sizes, axis=1, output_type=tf.int32), tf.shape(sizes)[0]
        longest = tf.cast(tf.reduce_max(tf.pad(tf.reduce_min(sizes, axis=1), [[0, 1]], constant_values=1)), tf.int32)
        block = tf.maximum(_BLOCK_ROWS // longest, 1)

        def body(start: tf.Tensor, rows: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
            places = tf.range(start, tf.minimum(start + block, batch))
            part = asked.part(places)
            matching = self._matching(part, tf.gather(shortest, places))
            new_rows, new_scores = search_among(self._search, part.queries, matching, part.excluded, count=count)
            return start + block, tf.concat([rows, new_rows], axis=0), tf.concat([scores, new_scores], axis=0)

        _, rows, scores = tf.while_loop(
            lambda start, *_: start < batch,
            body,
            (tf.constant(0), *no_answers(tf.constant(0), count)),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None]), tf.TensorShape([None, None])),
            parallel_iterations=1,
        )
        return rows, scores

    def _list_sizes(self, asked: Asked) -> tf.Tensor:
        """Length of the list of each constraint, and of all candidates, int64 `[batch, constraints + 1]`."""
        nothing = tf.fill([tf.shape(asked.queries)[0]], tf.constant(self._candidates + 1, tf.int64))
        sizes = [
            tf.where(wanted["is_given"], tf.reduce_sum(tf.cast(wanted["lengths"], tf.int64), axis=1), nothing)
            if "lengths" in wanted
            else nothing
            for wanted in asked.wanted.values()
        ]
        return tf.stack([*sizes, nothing - 1], axis=1)

    def _matching(self, asked: Asked, shortest: tf.Tensor) -> tf.Tensor:
        """The candidates that match, int32 `[batch, any]`, padded with -1.

        Args:
            asked: the queries.
            shortest: place of the constraint with the shortest list, int32 `[batch]`.
        """
        everything = tf.where(tf.equal(shortest, len(asked.wanted)), self._candidates, 0)[:, None]
        lists = [_listed(tf.zeros_like(everything), everything)]
        for place, (name, wanted) in enumerate(asked.wanted.items()):
            if "lengths" in wanted:
                lengths = tf.where(tf.equal(shortest, place)[:, None], wanted["lengths"], 0)
                places = _listed(wanted["starts"], lengths)
                lists.append(places.with_values(self._constraints[name].rows_at(places.values)))
        rows = tf.concat(lists, axis=1).to_tensor(-1)
        keep = tf.where((rows >= 0) & self._matches(asked, rows))
        most = tf.reduce_max(tf.pad(tf.math.bincount(tf.cast(keep[:, 0], tf.int32)), [[0, 1]]))
        return packed(rows, keep, rows=tf.shape(rows, tf.int64)[0], width=most, padding=-1)

    def _matches(self, asked: Asked, rows: tf.Tensor) -> tf.Tensor:
        rows = tf.maximum(rows, 0)
        matches = tf.ones_like(rows, tf.bool)
        for name, wanted in asked.wanted.items():
            needed = tf.reduce_any(wanted["is_given"])
            matches &= tf.cond(
                needed,
                lambda name=name, wanted=wanted: self._constraints[name].matches(wanted, rows),
                lambda: tf.ones_like(rows, tf.bool),
            )
        return matches


def _listed(starts: tf.Tensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """Places of lists, int32 `[batch, any]`: those of a row's lists one after the other."""
    flat = tf.reshape(starts, [-1])
    places = tf.ragged.range(flat, flat + tf.reshape(lengths, [-1])).flat_values
    return tf.RaggedTensor.from_row_lengths(places, tf.reduce_sum(lengths, axis=1), validate=False)
