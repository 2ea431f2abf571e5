"""Losses of a batch of queries against candidates, all functions of one signature.

A loss sees a `Contrast` and returns the weighted mean over the batch, so that the learning rate does not depend on
the batch's size. Where the candidates come from (the batch, the catalogue) is decided by whoever makes the Contrast.
"""

from dataclasses import dataclass
from functools import partial

import tensorflow as tf
import tensorflow_recommenders as tfrs

_BLOCK_LOGITS = 2**24
"""Scores kept in memory at a time: 64 MB in float32."""


@dataclass(frozen=True)
class Contrast:
    """A batch of queries, each with one positive among candidates common to all.

    Attributes:
        queries: embeddings `[batch, dim]`.
        candidates: embeddings `[candidates, dim]`.
        rows: which candidate of the catalogue each one is, int32 `[candidates]`, not necessarily distinct.
        positive: column of each query's positive, int32 `[batch]`.
        known: other positives of the queries, as candidates of the catalogue, int32 `[pairs]`.
        known_row: the query each of `known` belongs to, int32 `[pairs]`, ascending.
        frequency: how often each candidate is drawn as a negative, up to a factor, float32 `[candidates]`.
        weight: of each query, float32 `[batch]`.
        temperature: scores are divided by it.
    """

    queries: tf.Tensor
    candidates: tf.Tensor
    rows: tf.Tensor
    positive: tf.Tensor
    known: tf.Tensor
    known_row: tf.Tensor
    frequency: tf.Tensor
    weight: tf.Tensor
    temperature: float


def in_batch_softmax(contrast: Contrast, *, logq_exponent: float) -> tf.Tensor:
    """Softmax over the batch's candidates, corrected for how often they come (Yi et al. 2019).

    Row `i`'s positive has to be candidate `i`. The same candidate in another row, and the query's other known
    positives, do not count as negatives.
    """
    # The softmax does not see a common factor; 1 at the most frequent keeps clear of the task's clip at 1e-6.
    frequency = contrast.frequency / tf.reduce_max(contrast.frequency)
    task = tfrs.tasks.Retrieval(temperature=contrast.temperature, remove_accidental_hits=True)
    total = task(
        contrast.queries,
        contrast.candidates,
        sample_weight=contrast.weight,
        candidate_sampling_probability=frequency**logq_exponent,
        candidate_ids=contrast.rows,
        compute_metrics=False,
        compute_batch_metrics=False,
        score_mask=tf.logical_not(known_columns(contrast)),
    )
    return total / tf.maximum(tf.reduce_sum(contrast.weight), 1e-6)


def full_softmax(contrast: Contrast) -> tf.Tensor:
    """Softmax over the whole catalogue, in blocks of queries so that its scores are never all in memory.

    Candidate `i` has to be row `i` of the catalogue. The query's other known positives do not count as negatives.
    """
    positives = tf.gather(contrast.candidates, contrast.positive)
    scores = tf.reduce_sum(contrast.queries * positives, axis=1) / contrast.temperature
    losses = _log_sum_exp(contrast) - scores
    return tf.reduce_sum(contrast.weight * losses) / tf.maximum(tf.reduce_sum(contrast.weight), 1e-6)


def known_columns(contrast: Contrast) -> tf.Tensor:
    """Which candidates are known positives of each query, other than its own, bool `[batch, candidates]`."""
    ordered = tf.sort(contrast.rows)
    place = tf.searchsorted(ordered, contrast.known)
    present = tf.gather(ordered, tf.minimum(place, tf.size(ordered) - 1)) == contrast.known
    cells = tf.boolean_mask(tf.stack([contrast.known_row, place], axis=1), present)
    shape = [tf.shape(contrast.queries)[0], tf.size(ordered)]
    counts = tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1], tf.int32), shape)
    return tf.gather(counts > 0, tf.searchsorted(ordered, contrast.rows), axis=1)


def _log_sum_exp(contrast: Contrast) -> tf.Tensor:
    batch, candidates = contrast.queries.shape[0], contrast.candidates.shape[0]
    size = max(1, _BLOCK_LOGITS // candidates)
    block = partial(_block_log_sum_exp, temperature=contrast.temperature)
    if size >= batch:
        return block(contrast.queries, contrast.candidates, contrast.known_row, contrast.known)
    frugal, blocks = tf.recompute_grad(block), []
    for start in range(0, batch, size):
        end = min(start + size, batch)
        first, last = tf.unstack(tf.searchsorted(contrast.known_row, [start, end]))
        rows, known = contrast.known_row[first:last] - start, contrast.known[first:last]
        blocks.append(frugal(contrast.queries[start:end], contrast.candidates, rows, known))
    return tf.concat(blocks, axis=0)


def _block_log_sum_exp(
    queries: tf.Tensor, candidates: tf.Tensor, known_row: tf.Tensor, known: tf.Tensor, temperature: float
) -> tf.Tensor:
    scores = tf.matmul(queries, candidates, transpose_b=True) / temperature
    cells = tf.stack([known_row, known], axis=1)
    scores += tf.scatter_nd(cells, tf.fill(tf.shape(known), -1e9), tf.shape(scores))
    return tf.reduce_logsumexp(scores, axis=1)
