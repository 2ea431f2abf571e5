"""What a loss sees: queries, candidates common to all of them, and which of these are negatives."""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Contrast:
    """A batch of queries, each with one positive, and candidates common to all.

    Attributes:
        queries: embeddings `[batch, dim]`.
        positives: embeddings `[batch, dim]`.
        labels: which candidate of the catalogue each positive is, int32 `[batch]`.
        candidates: embeddings `[candidates, dim]`; the negatives of a query are those that are none of its positives.
        rows: which candidate of the catalogue each one is, int32 `[candidates]`, not necessarily distinct.
        known: positives of the queries, as candidates of the catalogue, int32 `[pairs]`.
        known_row: the query each of `known` belongs to, int32 `[pairs]`, ascending; the group where there are groups.
        frequency: how many times each candidate is expected among a query's negatives, float32 `[candidates]`.
        weight: share of each query in the loss, float32 `[batch]`; 1 together, over all replicas of a step.
        temperature: scores are divided by it.
        catalogue: how many candidates there are to choose from, here or not.
        group: of queries that know the same, int32 `[batch]`, ascending from 0; None where each knows its own.
    """

    queries: tf.Tensor
    positives: tf.Tensor
    labels: tf.Tensor
    candidates: tf.Tensor
    rows: tf.Tensor
    known: tf.Tensor
    known_row: tf.Tensor
    frequency: tf.Tensor
    weight: tf.Tensor
    temperature: tf.Tensor | float
    catalogue: int
    group: tf.Tensor | None = None

    def mean(self, losses: tf.Tensor) -> tf.Tensor:
        """Weighted mean of one loss a query, `[batch]` → scalar; of several replicas each has a summand of it."""
        return tf.reduce_sum(self.weight * losses)


@dataclass(frozen=True)
class Pairs:
    """Plain scores of a batch.

    Attributes:
        positive: scores of the positives, float32 `[batch]`.
        negative: scores of all candidates, float32 `[batch, candidates]`.
        allowed: which of them are negatives of the query, bool `[batch, candidates]`.
    """

    positive: tf.Tensor
    negative: tf.Tensor
    allowed: tf.Tensor

    def mean_of_negatives(self, values: tf.Tensor) -> tf.Tensor:
        """Mean over each query's negatives, `[batch, candidates]` → `[batch]`; 0 where there are none."""
        allowed = tf.cast(self.allowed, values.dtype)
        return tf.reduce_sum(tf.where(self.allowed, values, 0), axis=1) / tf.maximum(tf.reduce_sum(allowed, axis=1), 1)


def pairs(contrast: Contrast) -> Pairs:
    """Scores queries against candidates; a query's own positive and its other known ones are no negatives."""
    return Pairs(
        positive=positive_scores(contrast),
        negative=tf.matmul(contrast.queries, contrast.candidates, transpose_b=True),
        allowed=tf.logical_not(known_columns(contrast) | own_columns(contrast)),
    )


def positive_scores(contrast: Contrast) -> tf.Tensor:
    """Plain scores of the positives, `[batch]`."""
    return tf.reduce_sum(contrast.queries * contrast.positives, axis=1)


def own_columns(contrast: Contrast) -> tf.Tensor:
    """Which candidates are the query's own positive, wherever it comes, bool `[batch, candidates]`."""
    return contrast.labels[:, None] == contrast.rows[None, :]


def known_columns(contrast: Contrast) -> tf.Tensor:
    """Which candidates are known positives of each query, other than its own, bool `[batch, candidates]`."""
    ordered = tf.sort(contrast.rows)
    place = tf.searchsorted(ordered, contrast.known)
    present = tf.gather(ordered, tf.minimum(place, tf.size(ordered) - 1)) == contrast.known
    cells = tf.boolean_mask(tf.stack([contrast.known_row, place], axis=1), present)
    owners = tf.shape(contrast.queries)[0] if contrast.group is None else contrast.group[-1] + 1
    counts = tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1], tf.int32), [owners, tf.size(ordered)])
    known = tf.gather(counts > 0, tf.searchsorted(ordered, contrast.rows), axis=1)
    if contrast.group is None:
        return known
    return tf.gather(known, contrast.group) & tf.logical_not(own_columns(contrast))
