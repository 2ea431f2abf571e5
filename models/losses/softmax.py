"""Softmax over sampled candidates, corrected for how often these come."""

import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.losses.contrast import Contrast, known_columns, pairs

_NOTHING = -1e9
"""Score of what does not count; finite, so that a row without negatives has a gradient of 0 and not NaN."""


def in_batch_softmax(contrast: Contrast, *, logq_exponent: float) -> tf.Tensor:
    """Softmax over the batch's candidates, corrected for how often they come (Yi et al. 2019).

    Row `i`'s positive has to be candidate `i`; candidates that were drawn besides may follow (Yang et al. 2020). The
    positive in another place, and the query's other known positives, do not count as negatives.
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
