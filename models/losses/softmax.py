"""Softmax over sampled candidates, corrected for how often these come."""

from dataclasses import replace

import tensorflow as tf

from models.losses.blocked_softmax import blocked_softmax
from models.losses.contrast import Contrast, pairs

_NOTHING = -1e9
"""Score of what does not count; finite, so that a row without negatives has a gradient of 0 and not NaN."""


def in_batch_softmax(contrast: Contrast, *, logq_exponent: float) -> tf.Tensor:
    """Softmax over the batch's candidates, corrected for how often they come (Yi et al. 2019).

    Every query's positive has to be among the candidates; others that were drawn may be, too (Yang et al. 2020). The
    query's other known positives do not count as negatives.

    A candidate that comes several times is scored once, as it comes first, and weighs as often: the same sum for less
    work, and of one that is also in a queue the newest embedding.
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
    """The pairs of `known_row` and `known` that are among the `ordered` rows, the latter as `order` has them."""
    place = tf.minimum(tf.searchsorted(ordered, contrast.known), tf.size(ordered) - 1)
    present = tf.gather(ordered, place) == contrast.known
    return tf.boolean_mask(contrast.known_row, present), tf.boolean_mask(tf.gather(order, place), present)


def sampled_softmax(contrast: Contrast, *, logq_exponent: float) -> tf.Tensor:
    """Softmax over the positive and the negatives, the latter corrected by how often they are expected.

    The positive is there for certain, so its score stays as it is. With an exponent of 1 the sum over the negatives
    is an unbiased estimate of the catalogue's. The gradient is that of the refined logQ correction
    (sg(1 − P)·(log-sum over the negatives − s⁺), Khrylchenko et al., RecSys 2025): they are one loss.
    """
    scored = pairs(contrast)
    scores = scored.negative / contrast.temperature - logq_exponent * tf.math.log(contrast.frequency)
    negatives = tf.reduce_logsumexp(tf.where(scored.allowed, scores, _NOTHING), axis=1)
    return contrast.mean(tf.nn.softplus(negatives - scored.positive / contrast.temperature))
