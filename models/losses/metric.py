"""Losses of metric learning, which use distances instead of scores, and of matrix factorisation."""

from dataclasses import dataclass

import tensorflow as tf

from models.losses.contrast import Contrast, Pairs, pairs, positive_scores


@dataclass(frozen=True)
class _Distances:
    """Euclidean distances to the positive, `[batch]`, and to all candidates, `[batch, candidates]`."""

    positive: tf.Tensor
    negative: tf.Tensor


def contrastive(contrast: Contrast, *, margin: float) -> tf.Tensor:
    """½D² of the positive + mean of ½max(0, margin − D)² over the negatives (Hadsell et al. 2006)."""
    scored = pairs(contrast)
    distances = _distances(contrast, scored)
    push = scored.mean_of_negatives(tf.square(tf.nn.relu(margin - distances.negative)))
    return contrast.mean((tf.square(distances.positive) + push) / 2)


def triplet(contrast: Contrast, *, margin: float) -> tf.Tensor:
    """max(0, D⁺ − D⁻ + margin) with one semi-hard negative per query (Schroff et al. 2015).

    The negative is the nearest one that is farther away than the positive. If all are nearer, it is the farthest one. A
    query without negatives has loss 0.
    """
    scored = pairs(contrast)
    distances = _distances(contrast, scored)
    farther = scored.allowed & (distances.negative > distances.positive[:, None])
    nearest = tf.reduce_min(tf.where(farther, distances.negative, tf.float32.max), axis=1)
    farthest = tf.reduce_max(tf.where(scored.allowed, distances.negative, 0.0), axis=1)
    chosen = tf.where(tf.reduce_any(farther, axis=1), nearest, farthest)
    losses = tf.nn.relu(distances.positive - chosen + margin)
    return contrast.mean(tf.where(tf.reduce_any(scored.allowed, axis=1), losses, 0.0))


def gramian(contrast: Contrast, *, unobserved_weight: float) -> tf.Tensor:
    """(1 − s⁺)² + unobserved_weight · mean of s² over all pairs (Hu et al. 2008; Krichene et al. 2019).

    The mean is the product tr(G_q·G_c) of the Gram matrices, so its cost is linear in queries and candidates. The batch
    stands for all queries. Candidates are weighted by 1/frequency, so that they represent the whole catalogue however
    they are drawn. The pairs include the known positives.
    """
    share = 1 / contrast.frequency
    candidates = contrast.candidates * tf.sqrt(share / tf.reduce_sum(share))[:, None]
    queries = contrast.queries * tf.sqrt(contrast.weight)[:, None]
    grams = tf.matmul(queries, queries, transpose_a=True) * tf.matmul(candidates, candidates, transpose_a=True)
    return contrast.mean(tf.square(1 - positive_scores(contrast))) + unobserved_weight * tf.reduce_sum(grams)


def _distances(contrast: Contrast, scored: Pairs) -> _Distances:
    vectors = (contrast.queries, contrast.positives, contrast.candidates)
    queries, positives, candidates = (tf.reduce_sum(tf.square(each), axis=1) for each in vectors)
    return _Distances(
        _root(queries + positives - 2 * scored.positive),
        _root(queries[:, None] + candidates[None, :] - 2 * scored.negative),
    )


def _root(squares: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.maximum(squares, 1e-12))  # the gradient of the root is infinite at 0
