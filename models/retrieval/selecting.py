"""Choice of an answer from the best candidates: at most some per value of an attribute, and not all alike.

Crowding walks down the ranking and passes over a candidate whose value has had its number. Maximal marginal relevance
(Carbonell and Goldstein 1998) takes in each step the candidate with the largest λ · relevance - (1 - λ) · similarity:
the relevance is the score, scaled to 0 to 1 over the pool, and the similarity the largest cosine to a candidate that
was taken before. Both together take, by that measure, the best candidate whose values have room.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from models.retrieval.filtering import no_answers
from models.retrieval.index import Search

POOL = 4
"""The best candidates among which an answer is chosen, as a multiple of its length."""
_BLOCK_VALUES = 1 << 25  # values of a pool's embeddings held at once: 128 MB

Pools: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""From places of queries and a count to their best candidates: rows and scores, padded with -1 and float32.min."""


class Groups(tf.Module):
    """The value that each candidate has of an attribute, as a number; -1 for none."""

    def __init__(self, codes: np.ndarray) -> None:
        """Stores the codes, int `[candidates]`."""
        super().__init__(name="groups")
        self.codes = tf.Variable(codes, trainable=False, dtype=tf.int32, name="codes")

    def of(self, rows: tf.Tensor) -> tf.Tensor:
        """Codes of candidate rows, int32 of the same shape; -1 for row -1."""
        return tf.where(rows < 0, -1, tf.gather(self.codes.read_value(), tf.maximum(rows, 0)))

    def longest(self, most: tf.Tensor, count: int) -> tf.Tensor:
        """Length of the longest answer, at most `count`, that has at most `most` > 0 candidates per value.

        Args:
            most: int32 `[batch]`; 0 or less for any number.
            count: length of a full answer.
        """
        codes = self.codes.read_value()
        values, without = tf.reduce_max(codes) + 1, tf.math.count_nonzero(codes < 0)
        room = tf.cast(tf.minimum(most, count), tf.int64) * tf.cast(values, tf.int64) + without
        return tf.cast(tf.where(most > 0, tf.minimum(room, count), count), tf.int32)


@dataclass(frozen=True)
class Wishes:
    """What a batch of requests wishes of its answers.

    Attributes:
        max_per: most candidates per value of each attribute, int32 `[batch]`; 0 for any number.
        weights: λ, float32 `[batch]`; 1 ranks by score alone.
    """

    max_per: Mapping[str, tf.Tensor]
    weights: tf.Tensor

    @property
    def are_any(self) -> tf.Tensor:
        """Whether a request wishes anything, bool `[batch]`."""
        return tf.reduce_any(tf.stack([self.weights < 1, *(most > 0 for most in self.max_per.values())]), axis=0)

    def part(self, places: tf.Tensor) -> "Wishes":
        """Those of the requests at `places`."""
        max_per = {name: tf.gather(most, places) for name, most in self.max_per.items()}
        return Wishes(max_per, tf.gather(self.weights, places))


class Selector:
    """Chooses answers; a pool that does not fill an answer is made larger."""

    def __init__(self, search: Search, groups: Mapping[str, Groups], *, count: int, candidates: int) -> None:
        """Sets the length of the answers.

        Args:
            search: holds the candidates' embeddings.
            groups: attributes by name.
            count: length of an answer.
            candidates: number of candidates.
        """
        self._search, self._groups, self._count, self._candidates = search, groups, count, candidates

    def select(self, pools: Pools, wishes: Wishes) -> tuple[tf.Tensor, tf.Tensor]:
        """Chooses an answer for each request.

        Args:
            pools: finds the best candidates.
            wishes: of at least no request.

        Returns:
            Rows int32 and scores float32, `[batch, count]`, in the order of the choice; padded if there are no more.
        """
        batch = tf.shape(wishes.weights)[0]
        first = tf.constant(min(POOL * self._count, self._candidates))
        longest = self._longest(wishes)

        def choose(size: tf.Tensor, is_open: tf.Tensor, rows: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
            places = tf.where(is_open)
            pool = pools(places[:, 0], size)
            new_rows, new_scores = self._chosen(*pool, wishes.part(places[:, 0]))
            # A pool with padding has every candidate already.
            is_full = tf.reduce_sum(tf.cast(new_rows >= 0, tf.int32), axis=1) >= tf.gather_nd(longest, places)
            stays_open = ~is_full & (pool[0][:, -1] >= 0) & (size < self._candidates)
            return (
                tf.minimum(size * POOL, self._candidates),
                tf.tensor_scatter_nd_update(is_open, places, stays_open),
                tf.tensor_scatter_nd_update(rows, places, new_rows),
                tf.tensor_scatter_nd_update(scores, places, new_scores),
            )

        start = (first, tf.fill([batch], True), *no_answers(batch, self._count))
        _, _, rows, scores = tf.while_loop(
            lambda _, is_open, *__: tf.reduce_any(is_open), choose, start, parallel_iterations=1
        )
        return rows, scores

    def _longest(self, wishes: Wishes) -> tf.Tensor:
        """Length of the longest answer that the wishes allow, int32 `[batch]`."""
        lengths = [groups.longest(wishes.max_per[name], self._count) for name, groups in self._groups.items()]
        return tf.reduce_min(tf.stack([tf.fill(tf.shape(wishes.weights), self._count), *lengths]), axis=0)

    def _chosen(self, rows: tf.Tensor, scores: tf.Tensor, wishes: Wishes) -> tuple[tf.Tensor, tf.Tensor]:
        """Chooses from pools, in blocks of requests so that memory stays bounded."""
        batch, size = tf.shape(rows)[0], tf.shape(rows)[1]
        block = tf.maximum(_BLOCK_VALUES // tf.maximum(size * self._search.dimension, 1), 1)

        def body(start: tf.Tensor, taken: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            places = tf.range(start, tf.minimum(start + block, batch))
            part = self._taken(tf.gather(rows, places), tf.gather(scores, places), wishes.part(places))
            return start + block, tf.concat([taken, part], axis=0)

        _, taken = tf.while_loop(
            lambda start, _: start < batch,
            body,
            (tf.constant(0), tf.zeros([0, self._count], tf.int32)),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, self._count])),
            parallel_iterations=1,
        )
        places = tf.maximum(taken, 0)
        return (
            tf.where(taken < 0, -1, tf.gather(rows, places, batch_dims=1)),
            tf.where(taken < 0, tf.float32.min, tf.gather(scores, places, batch_dims=1)),
        )

    def _taken(self, rows: tf.Tensor, scores: tf.Tensor, wishes: Wishes) -> tf.Tensor:
        """Places in the pool in the order in which they are taken, int32 `[batch, count]`, padded with -1."""
        is_there = rows >= 0
        vectors = tf.math.l2_normalize(self._search.vectors(tf.maximum(rows, 0)), axis=2)
        relevance, weights = _relevance(scores, is_there), wishes.weights[:, None]
        codes = {name: groups.of(rows) for name, groups in self._groups.items()}
        taken = tf.TensorArray(tf.int32, self._count, element_shape=[None])

        def take(
            step: tf.Tensor,
            taken: tf.TensorArray,
            is_free: tf.Tensor,
            similarity: tf.Tensor,
            numbers: dict[str, tf.Tensor],
        ) -> tuple[object, ...]:
            has_room = is_free
            for name, number in numbers.items():
                most = wishes.max_per[name][:, None]
                has_room &= (most <= 0) | (number < most)
            value = tf.where(has_room, weights * relevance - (1 - weights) * similarity, -np.inf)
            best = tf.argmax(value, axis=1, output_type=tf.int32)
            is_taken = tf.reduce_any(has_room, axis=1)
            here = tf.equal(tf.range(tf.shape(rows)[1])[None], best[:, None]) & is_taken[:, None]
            to_it = tf.einsum("bnd,bd->bn", vectors, tf.gather(vectors, best, batch_dims=1))
            more = {}
            for name, number in numbers.items():
                code = tf.gather(codes[name], best, batch_dims=1)[:, None]
                alike = tf.equal(codes[name], code) & (code >= 0) & is_taken[:, None]
                more[name] = number + tf.cast(alike, tf.int32)
            taken = taken.write(step, tf.where(is_taken, best, -1))
            return step + 1, taken, is_free & ~here, tf.maximum(similarity, to_it), more

        start = (
            tf.constant(0),
            taken,
            is_there,
            -tf.ones_like(scores),
            {name: tf.zeros_like(rows) for name in self._groups},
        )
        _, taken, *_ = tf.while_loop(lambda step, *_: step < self._count, take, start, parallel_iterations=1)
        return tf.transpose(taken.stack())


def _relevance(scores: tf.Tensor, is_there: tf.Tensor) -> tf.Tensor:
    """Scales the scores of each row from 0 to 1."""
    most = tf.reduce_max(tf.where(is_there, scores, tf.float32.min), axis=1, keepdims=True)
    least = tf.reduce_min(tf.where(is_there, scores, tf.float32.max), axis=1, keepdims=True)
    return tf.where(is_there, tf.math.divide_no_nan(scores - least, most - least), 0)
