"""Softmax over the whole catalogue, its scores never all in memory, neither forwards nor backwards."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.losses.contrast import Contrast, positive_scores

_BLOCK_LOGITS = 2**24
"""Scores kept in memory at a time: 64 MB in float32."""


def full_softmax(contrast: Contrast) -> tf.Tensor:
    """Softmax over the whole catalogue.

    Candidate `i` has to be row `i` of the catalogue. The query's other known positives do not count as negatives.
    """
    candidates, size = contrast.candidates.shape[0], contrast.queries.shape[0]
    blocks = _Blocks(contrast.known_row, contrast.known, rows=max(1, _BLOCK_LOGITS // candidates), batch=size)
    sums = blocks.log_sum_exp(contrast.queries / contrast.temperature, contrast.candidates)
    return contrast.mean(sums - positive_scores(contrast) / contrast.temperature)


class _Blocks:
    """Queries a few at a time: one pass adds up the scores, another makes them again for the gradient.

    Loops run one block after the other; an unrolled loop would have the blocks of all queries in memory, since
    TensorFlow starts whatever is ready.

    Args:
        known_row: as in `Contrast`.
        known: as in `Contrast`.
        rows: queries in a block.
        batch: queries.
    """

    def __init__(self, known_row: tf.Tensor, known: tf.Tensor, *, rows: int, batch: int) -> None:
        self._known_row, self._known = known_row, known
        self._rows, self._batch = min(rows, batch), batch

    def log_sum_exp(self, queries: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
        """Log of the sum over candidates of exp(score), `[batch, dim]`, `[candidates, dim]` → `[batch]`."""
        if self._rows == self._batch:  # all of it fits: keep the scores for the gradient
            return tf.reduce_logsumexp(self._scores(0, self._batch, queries, candidates), axis=1)

        @tf.custom_gradient
        def compute(queries: tf.Tensor, candidates: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
            sums = self._forward(queries, candidates)
            return sums, lambda upstream: self._backward(queries, candidates, sums, upstream)

        return compute(queries, candidates)

    def _scores(
        self, start: tf.Tensor | int, end: tf.Tensor | int, queries: tf.Tensor, candidates: tf.Tensor
    ) -> tf.Tensor:
        scores = tf.matmul(queries[start:end], candidates, transpose_b=True)
        limits = tf.searchsorted(self._known_row, tf.stack([start, end]))
        known_row, known = self._known_row[limits[0] : limits[1]] - start, self._known[limits[0] : limits[1]]
        return tf.tensor_scatter_nd_update(
            scores, tf.stack([known_row, known], axis=1), tf.fill(tf.shape(known), tf.float32.min)
        )

    def _forward(self, queries: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
        def step(start: tf.Tensor, sums: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            end = tf.minimum(start + self._rows, self._batch)
            values = tf.reduce_logsumexp(self._scores(start, end, queries, candidates), axis=1)
            return end, sums.write(start // self._rows, values)

        sums = tf.TensorArray(tf.float32, -(-self._batch // self._rows), infer_shape=False, element_shape=[None])
        _, sums = self._loop(step, [tf.constant(0), sums])
        return tf.ensure_shape(sums.concat(), [self._batch])

    def _backward(
        self, queries: tf.Tensor, candidates: tf.Tensor, sums: tf.Tensor, upstream: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def step(start: tf.Tensor, parts: tf.TensorArray, total: tf.Tensor) -> tuple[Any, ...]:
            end = tf.minimum(start + self._rows, self._batch)
            scores = self._scores(start, end, queries, candidates)
            weights = tf.exp(scores - sums[start:end, None]) * upstream[start:end, None]
            parts = parts.write(start // self._rows, tf.matmul(weights, candidates))
            return end, parts, total + tf.matmul(weights, queries[start:end], transpose_a=True)

        shape = [None, queries.shape[1]]
        parts = tf.TensorArray(tf.float32, -(-self._batch // self._rows), infer_shape=False, element_shape=shape)
        _, parts, total = self._loop(step, [tf.constant(0), parts, tf.zeros_like(candidates)])
        return tf.ensure_shape(parts.concat(), queries.shape), total

    def _loop(self, step: Callable[..., Any], values: list[Any]) -> Any:
        return tf.while_loop(lambda start, *_: start < self._batch, step, values, parallel_iterations=1)
