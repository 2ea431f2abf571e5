"""Softmax over sampled candidates, corrected for their sampling frequency (logQ correction)."""

from dataclasses import replace

import tensorflow as tf

from models.losses.blocked_softmax import blocked_softmax
from models.losses.contrast import Contrast, pairs

_MASKED_SCORE = -1e9
"""Score of a masked candidate. It is finite, so that a row without negatives has gradient 0 and not NaN."""


def in_batch_softmax(contrast: Contrast, *, logq_exponent: float) -> tf.Tensor:
    """Softmax over the batch's candidates, corrected for their sampling frequency (Yi et al. 2019).

    Every query's positive must be among the candidates. Randomly drawn candidates may be among them too (Yang et al.
    2020). The query's other known positives do not count as negatives.

    A candidate that occurs several times is scored once, with its first embedding, and weighted by its occurrences. The
    sum is the same for less work, and a candidate that is also in a queue uses its newest embedding. For example,
    `rows` [5, 8, 5] are scored as rows 5 and 8, with log-weights log(w₀ + w₂) and log(w₁).
    """
    rows, place = tf.unique(contrast.rows)
    first = tf.math.unsorted_segment_min(tf.range(tf.size(place)), place, tf.size(rows))
    weight = contrast.frequency**-logq_exponent
    log_sum = tf.math.log(tf.math.unsorted_segment_sum(weight, place, tf.size(rows)))
    order = tf.argsort(rows)
    ordered = tf.gather(rows, order)
    labels = tf.gather(order, tf.searchsorted(ordered, contrast.labels))
    log_own = tf.math.log(tf.gather(weight, tf.gather(first, labels)))
    known_row, known = _known_among(contrast, ordered, order)
    distinct = replace(
        contrast,
        candidates=tf.gather(contrast.candidates, first),
        labels=labels,
        rows=rows,
        known=known,
        known_row=known_row,
    )
    return blocked_softmax(distinct, log_sum, log_own)


def _known_among(contrast: Contrast, ordered: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Drops pairs whose candidate is absent and turns the others' `known` into positions in `rows`.

    Args:
        contrast: its `known` are catalogue rows.
        ordered: distinct catalogue rows, sorted.
        order: positions that sort them.
    """
    place = tf.minimum(tf.searchsorted(ordered, contrast.known), tf.size(ordered) - 1)
    present = tf.gather(ordered, place) == contrast.known
    return tf.boolean_mask(contrast.known_row, present), tf.boolean_mask(tf.gather(order, place), present)


def sampled_softmax(contrast: Contrast, *, logq_exponent: float) -> tf.Tensor:
    """Softmax over the positive and the negatives, where only the negatives are corrected by their frequency.

    The positive is always present, so its score is not corrected. With an exponent of 1 the sum over the negatives is
    an unbiased estimate of the sum over the catalogue. The gradient equals that of the refined logQ correction, sg(1 −
    P)·(log-sum over the negatives − s⁺) (Khrylchenko et al., RecSys 2025).
    """
    scored = pairs(contrast)
    scores = scored.negative / contrast.temperature - logq_exponent * tf.math.log(contrast.frequency)
    negatives = tf.reduce_logsumexp(tf.where(scored.allowed, scores, _MASKED_SCORE), axis=1)
    return contrast.mean(tf.nn.softplus(negatives - scored.positive / contrast.temperature))
