"""Softmax over many candidates, its scores never all in memory, neither forwards nor backwards."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.losses.contrast import Contrast

_BLOCK_LOGITS = 2**20
"""Scores made at a time, 4 MB in float32, which stay in the cache: twice as fast as 64 MB at a time."""
_LEAST_ROWS = 64
"""Queries made at a time at least, since each block adds to the gradient of the whole catalogue."""
_LEAST_SHARE = 1e-30
"""Below it a float32 share has too few digits for its logarithm, and the scores are read again."""


def full_softmax(contrast: Contrast) -> tf.Tensor:
    """Softmax over the whole catalogue.

    Candidate `i` has to be row `i` of the catalogue. The query's other known positives do not count as negatives.
    """
    return blocked_softmax(contrast)


def blocked_softmax(contrast: Contrast, bias: tf.Tensor | None = None, own_bias: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Softmax over the candidates of a contrast whose `labels` and `known` are positions among its candidates.

    Args:
        contrast: queries and candidates; the query's other known positives do not count as negatives.
        bias: added to all scores of a candidate, `[candidates]`.
        own_bias: what is added instead to the score of each query's own positive, `[batch]`.
    """

    # The gradient is made with the loss, a block at a time: each score is computed once, and its exponential as well.
    @tf.custom_gradient
    def compute(queries: tf.Tensor, candidates: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        loss, slopes = _loss_and_slopes(contrast, queries, candidates, bias, own_bias)
        return loss, lambda upstream: tuple(upstream * slope for slope in slopes)

    return compute(contrast.queries / contrast.temperature, contrast.candidates)


def _loss_and_slopes(
    contrast: Contrast,
    queries: tf.Tensor,
    candidates: tf.Tensor,
    bias: tf.Tensor | None,
    own_bias: tf.Tensor | float,
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    """The weighted mean and its gradients by queries and candidates; one block after the other."""
    batch, rows = tf.shape(queries)[0], tf.maximum(_LEAST_ROWS, _BLOCK_LOGITS // tf.shape(candidates)[0])
    labels, positives = contrast.labels, tf.gather(candidates, contrast.labels)
    own = tf.reduce_sum(queries * positives, axis=1) + own_bias
    pull = contrast.weight[:, None] * queries

    def step(start: tf.Tensor, losses: tf.TensorArray, parts: tf.TensorArray, slope: tf.Tensor) -> tuple[Any, ...]:
        end = tf.minimum(start + rows, batch)
        scores = tf.matmul(queries[start:end], candidates, transpose_b=True)
        scores = _masked(contrast, start, end, scores if bias is None else scores + bias, own[start:end])
        # One fused pass over the scores; the products then read its shares twice.
        shares = tf.nn.softmax(scores)
        losses = losses.write(start // rows, _surprise(scores, shares, own[start:end], labels[start:end]))
        parts = parts.write(start // rows, tf.matmul(shares, candidates))
        return end, losses, parts, slope + tf.matmul(shares, pull[start:end], transpose_a=True)

    blocks, dim = -(-batch // rows), queries.shape[1]
    losses = tf.TensorArray(tf.float32, blocks, infer_shape=False, element_shape=[None])
    parts = tf.TensorArray(tf.float32, blocks, infer_shape=False, element_shape=[None, dim])
    values = [tf.constant(0), losses, parts, tf.zeros_like(candidates)]
    _, losses, parts, slope = tf.while_loop(lambda start, *_: start < batch, step, values, parallel_iterations=1)
    slope -= tf.math.unsorted_segment_sum(pull, labels, tf.shape(candidates)[0])
    slopes = contrast.weight[:, None] * (parts.concat() - positives), slope
    return contrast.mean(losses.concat()), slopes


def _surprise(scores: tf.Tensor, shares: tf.Tensor, own: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """−log of each row's share at its label, `[rows]`."""
    share = tf.gather(shares, labels, axis=1, batch_dims=1)
    return tf.cond(
        tf.reduce_min(share) > _LEAST_SHARE,
        lambda: -tf.math.log(share),
        lambda: tf.reduce_logsumexp(scores, axis=1) - own,
    )


def _masked(contrast: Contrast, start: tf.Tensor, end: tf.Tensor, scores: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Scores `[rows, candidates]` of the queries `start:end`: known positives at the bottom, their own as told."""
    # Nothing else reads the scores, so that they are changed in place: a copy would cost as much as a product.
    own_cells = tf.stack([tf.range(end - start), contrast.labels[start:end]], axis=1)
    if contrast.group is None:
        known = _known_cells(contrast, start, end)
        cells, values = tf.concat([known, own_cells], axis=0), tf.concat([_bottom(known), own], axis=0)
        return tf.tensor_scatter_nd_update(scores, cells, values)
    groups = contrast.group[start:end]
    known = _known_cells(contrast, groups[0], groups[-1] + 1)
    highest = tf.fill([groups[-1] + 1 - groups[0], tf.shape(scores)[1]], tf.float32.max)
    highest = tf.tensor_scatter_nd_update(highest, known, _bottom(known))
    return tf.tensor_scatter_nd_update(tf.minimum(scores, tf.gather(highest, groups - groups[0])), own_cells, own)


def _bottom(cells: tf.Tensor) -> tf.Tensor:
    """The least score for each of the cells."""
    return tf.fill(tf.shape(cells)[:1], tf.float32.min)


def _known_cells(contrast: Contrast, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Owner, counted from `start`, and candidate of what the owners `start:end` know, `[pairs, 2]`."""
    limits = tf.searchsorted(contrast.known_row, tf.stack([start, end]))
    owner, known = contrast.known_row[limits[0] : limits[1]] - start, contrast.known[limits[0] : limits[1]]
    return tf.stack([owner, known], axis=1)
