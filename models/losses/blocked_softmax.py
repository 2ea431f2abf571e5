"""Softmax over many candidates whose score matrix is never in memory as a whole, in the forward or backward pass."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.losses.contrast import Contrast

_BLOCK_LOGITS = 2**20
"""Scores per block: 4 MB in float32, which fit into the cache. Twice as fast as blocks of 64 MB."""
_LEAST_ROWS = 64
"""Minimum number of queries per block, because each block adds to the gradient of the whole catalogue."""
_LEAST_SHARE = 1e-30
"""Below this share float32 has too few digits for the logarithm, and the loss is computed from the scores."""


def full_softmax(contrast: Contrast) -> tf.Tensor:
    """Softmax over the whole catalogue.

    Candidate `i` must be row `i` of the catalogue. The query's other known positives do not count as negatives.
    """
    return blocked_softmax(contrast)


def blocked_softmax(contrast: Contrast, bias: tf.Tensor | None = None, own_bias: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Softmax over the candidates of a contrast whose `labels` and `known` are positions in `candidates`.

    Args:
        contrast: queries and candidates; the query's other known positives do not count as negatives.
        bias: added to all scores of each candidate, `[candidates]`.
        own_bias: added instead of `bias` to the score of each query's own positive, `[batch]`.
    """

    # The gradient is computed together with the loss, block by block, so each score and its exponential is computed
    # once.
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
    """The weighted mean, and its gradients with respect to queries and candidates, block by block."""
    batch, rows = tf.shape(queries)[0], tf.maximum(_LEAST_ROWS, _BLOCK_LOGITS // tf.shape(candidates)[0])
    labels, positives = contrast.labels, tf.gather(candidates, contrast.labels)
    own = tf.reduce_sum(queries * positives, axis=1) + own_bias
    pull = contrast.weight[:, None] * queries

    def step(start: tf.Tensor, losses: tf.TensorArray, parts: tf.TensorArray, slope: tf.Tensor) -> tuple[Any, ...]:
        end = tf.minimum(start + rows, batch)
        scores = tf.matmul(queries[start:end], candidates, transpose_b=True)
        scores = _masked(contrast, start, end, scores if bias is None else scores + bias, own[start:end])
        # One fused pass over the scores; the two products then read the shares.
        shares = tf.nn.softmax(scores)
        losses = losses.write(start // rows, _cross_entropy(scores, shares, own[start:end], labels[start:end]))
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


def _cross_entropy(scores: tf.Tensor, shares: tf.Tensor, own: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """−log of each row's share at its label, `[rows]`."""
    share = tf.gather(shares, labels, axis=1, batch_dims=1)
    return tf.cond(
        tf.reduce_min(share) > _LEAST_SHARE,
        lambda: -tf.math.log(share),
        lambda: tf.reduce_logsumexp(scores, axis=1) - own,
    )


def _masked(contrast: Contrast, start: tf.Tensor, end: tf.Tensor, scores: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Scores of the queries `start:end`, `[rows, candidates]`; known positives get float32.min, labels get `own`."""
    # Nothing else reads `scores`, so TensorFlow updates it in place; a copy would cost as much as a matrix product.
    own_cells = tf.stack([tf.range(end - start), contrast.labels[start:end]], axis=1)
    if contrast.group is None:
        known = _known_cells(contrast, start, end)
        cells, values = tf.concat([known, own_cells], axis=0), tf.concat([_lowest(known), own], axis=0)
        return tf.tensor_scatter_nd_update(scores, cells, values)
    groups = contrast.group[start:end]
    known = _known_cells(contrast, groups[0], groups[-1] + 1)
    highest = tf.fill([groups[-1] + 1 - groups[0], tf.shape(scores)[1]], tf.float32.max)
    highest = tf.tensor_scatter_nd_update(highest, known, _lowest(known))
    return tf.tensor_scatter_nd_update(tf.minimum(scores, tf.gather(highest, groups - groups[0])), own_cells, own)


def _lowest(cells: tf.Tensor) -> tf.Tensor:
    """The lowest float32 for each of the cells."""
    return tf.fill(tf.shape(cells)[:1], tf.float32.min)


def _known_cells(contrast: Contrast, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Cells (owner − start, candidate) of the known positives of the owners `start:end`, `[pairs, 2]`."""
    limits = tf.searchsorted(contrast.known_row, tf.stack([start, end]))
    owner, known = contrast.known_row[limits[0] : limits[1]] - start, contrast.known[limits[0] : limits[1]]
    return tf.stack([owner, known], axis=1)
