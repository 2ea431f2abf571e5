"""Softmax over many candidates, its scores never all in memory, neither forwards nor backwards."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.losses.contrast import Contrast

_BLOCK_LOGITS = 2**20
"""Scores made at a time, 4 MB in float32, which stay in the cache: twice as fast as 64 MB at a time."""
_LEAST_ROWS = 64
"""Queries made at a time at least, since each block adds to the gradient of the whole catalogue."""


def full_softmax(contrast: Contrast) -> tf.Tensor:
    """Softmax over the whole catalogue.

    Candidate `i` has to be row `i` of the catalogue. The query's other known positives do not count as negatives.
    """
    return blocked_softmax(contrast, tf.zeros_like(contrast.candidates[:, 0]), tf.zeros_like(contrast.weight))


def blocked_softmax(contrast: Contrast, bias: tf.Tensor, own_bias: tf.Tensor) -> tf.Tensor:
    """Softmax over the candidates of a contrast whose `labels` and `known` are positions among its candidates.

    Args:
        contrast: queries and candidates; the query's other known positives do not count as negatives.
        bias: added to all scores of a candidate, `[candidates]`.
        own_bias: added besides to the score of each query's own positive, `[batch]`.
    """

    # The gradient is made with the loss, a block at a time: each score is computed once, and its exponential as well.
    @tf.custom_gradient
    def compute(queries: tf.Tensor, candidates: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        loss, slopes = _loss_and_slopes(contrast, queries, candidates, bias, own_bias)
        return loss, lambda upstream: tuple(upstream * slope for slope in slopes)

    return compute(contrast.queries / contrast.temperature, contrast.candidates)


def _loss_and_slopes(
    contrast: Contrast, queries: tf.Tensor, candidates: tf.Tensor, bias: tf.Tensor, own_bias: tf.Tensor
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    """The weighted mean and its gradients by queries and candidates; one block after the other."""
    batch, rows = tf.shape(queries)[0], tf.maximum(_LEAST_ROWS, _BLOCK_LOGITS // tf.shape(candidates)[0])

    def step(start: tf.Tensor, total: tf.Tensor, parts: tf.TensorArray, slope: tf.Tensor) -> tuple[Any, ...]:
        end = tf.minimum(start + rows, batch)
        block, share, labels = queries[start:end], contrast.weight[start:end, None], contrast.labels[start:end]
        own = tf.stack([tf.range(end - start), labels], axis=1)
        scores = tf.matmul(block, candidates, transpose_b=True) + bias
        scores = tf.tensor_scatter_nd_add(scores, own, own_bias[start:end])
        losses, slopes = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
            features=_without_known(contrast, start, end, scores, own), labels=labels
        )
        parts = parts.write(start // rows, share * tf.matmul(slopes, candidates))
        slope += tf.matmul(slopes, share * block, transpose_a=True)
        return end, total + tf.reduce_sum(share[:, 0] * losses), parts, slope

    parts = tf.TensorArray(tf.float32, -(-batch // rows), infer_shape=False, element_shape=[None, queries.shape[1]])
    values = [tf.constant(0), tf.constant(0.0), parts, tf.zeros_like(candidates)]
    _, total, parts, slope = tf.while_loop(lambda start, *_: start < batch, step, values, parallel_iterations=1)
    return total, (parts.concat(), slope)


def _without_known(
    contrast: Contrast, start: tf.Tensor, end: tf.Tensor, scores: tf.Tensor, own: tf.Tensor
) -> tf.Tensor:
    """Scores of the queries `start:end`, those of their other known positives at the bottom, `[rows, candidates]`."""
    if contrast.group is None:
        cells = _known_cells(contrast, start, end)
        return tf.tensor_scatter_nd_update(scores, cells, tf.fill(tf.shape(cells)[:1], tf.float32.min))
    groups = contrast.group[start:end]
    cells = _known_cells(contrast, groups[0], groups[-1] + 1)
    shape = [groups[-1] + 1 - groups[0], tf.shape(scores)[1]]
    known = tf.tensor_scatter_nd_update(tf.zeros(shape, tf.bool), cells, tf.ones(tf.shape(cells)[:1], tf.bool))
    masked = tf.where(tf.gather(known, groups - groups[0]), tf.float32.min, scores)
    return tf.tensor_scatter_nd_update(masked, own, tf.gather_nd(scores, own))


def _known_cells(contrast: Contrast, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Owner, counted from `start`, and candidate of what the owners `start:end` know, `[pairs, 2]`."""
    limits = tf.searchsorted(contrast.known_row, tf.stack([start, end]))
    owner, known = contrast.known_row[limits[0] : limits[1]] - start, contrast.known[limits[0] : limits[1]]
    return tf.stack([owner, known], axis=1)
