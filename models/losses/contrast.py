"""The input of a loss: queries, candidates shared by all of them, and which candidates are negatives."""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Contrast:
    """A batch of queries, each with one positive, and candidates shared by all queries.

    Attributes:
        queries: embeddings `[batch, dim]`.
        positives: embeddings `[batch, dim]`.
        labels: catalogue row of each positive, int32 `[batch]`.
        candidates: embeddings `[candidates, dim]`. The negatives of a query are those that are not its positives.
        rows: catalogue row of each candidate, int32 `[candidates]`; rows may repeat.
        known: catalogue rows of known positives of the queries, int32 `[pairs]`.
        known_row: query (or group, if there are groups) that each of `known` belongs to, int32 `[pairs]`, ascending.
        frequency: expected number of times each candidate is among a query's negatives, float32 `[candidates]`.
        weight: share of each query in the loss, float32 `[batch]`. Shares sum to 1 over all replicas of a step.
        temperature: divides the scores.
        catalogue: number of candidates in the catalogue, whether or not they are in `candidates`.
        group: group of each query, int32 `[batch]`, ascending from 0; queries of a group share their known positives.
            None if each query has its own.
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
        """Weighted mean of per-query losses, `[batch]` → scalar; with several replicas, this replica's summand."""
        return tf.reduce_sum(self.weight * losses)


@dataclass(frozen=True)
class Pairs:
    """Unscaled scores of a batch.

    Attributes:
        positive: scores of the positives, float32 `[batch]`.
        negative: scores of all candidates, float32 `[batch, candidates]`.
        allowed: which candidates are negatives of the query, bool `[batch, candidates]`.
    """

    positive: tf.Tensor
    negative: tf.Tensor
    allowed: tf.Tensor

    def mean_of_negatives(self, values: tf.Tensor) -> tf.Tensor:
        """Mean over each query's negatives, `[batch, candidates]` → `[batch]`; 0 for a query without negatives."""
        allowed = tf.cast(self.allowed, values.dtype)
        return tf.reduce_sum(tf.where(self.allowed, values, 0), axis=1) / tf.maximum(tf.reduce_sum(allowed, axis=1), 1)


def pairs(contrast: Contrast) -> Pairs:
    """Scores queries against candidates. A query's own positive and its other known positives are not negatives."""
    return Pairs(
        positive=positive_scores(contrast),
        negative=tf.matmul(contrast.queries, contrast.candidates, transpose_b=True),
        allowed=tf.logical_not(known_columns(contrast) | own_columns(contrast)),
    )


def positive_scores(contrast: Contrast) -> tf.Tensor:
    """Unscaled scores of the positives, `[batch]`."""
    return tf.reduce_sum(contrast.queries * contrast.positives, axis=1)


def own_columns(contrast: Contrast) -> tf.Tensor:
    """Marks each query's own positive wherever it occurs among the candidates, bool `[batch, candidates]`."""
    return contrast.labels[:, None] == contrast.rows[None, :]


def known_columns(contrast: Contrast) -> tf.Tensor:
    """Marks the known positives of each query, except its own label, bool `[batch, candidates]`.

    For example, `rows` [7, 3, 7], `known` [7, 9] and `known_row` [0, 1] give [[True, False, True], [False, False,
    False]] for two queries: query 0 knows row 7, and row 9 is not among the candidates.
    """
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
