"""Losses that compare a positive with its negatives, score by score."""

import tensorflow as tf

from models.losses.contrast import Contrast, pairs


def bpr(contrast: Contrast) -> tf.Tensor:
    """Mean of −log σ(s⁺ − s⁻) over the negatives (Rendle et al. 2009)."""
    scored = pairs(contrast)
    differences = (scored.negative - scored.positive[:, None]) / contrast.temperature
    return contrast.mean(scored.mean_of_negatives(tf.nn.softplus(differences)))


def gbce(contrast: Contrast, *, calibration: float) -> tf.Tensor:
    """Generalised binary cross entropy, −(β·log σ(s⁺) + Σ log(1 − σ(s⁻))) / (k + 1) (Petrov & Macdonald 2023).

    With k negatives out of |C| candidates, a = k / (|C| − 1) and β = a·(t·(1 − 1/a) + 1/a) = 1 − t·(1 − a). β reduces
    the weight of the positive when there are few negatives. k is counted for each query.
    """
    scored = pairs(contrast)
    number = tf.reduce_sum(tf.cast(scored.allowed, tf.float32), axis=1)
    rate = tf.minimum(number / max(contrast.catalogue - 1, 1), 1.0)
    beta = 1.0 - calibration * (1.0 - rate)
    # Softplus of the score is precise in float32; the paper's code computes log σ(s)^β and needs float64.
    positive = beta * tf.nn.softplus(-scored.positive / contrast.temperature)
    negative = number * scored.mean_of_negatives(tf.nn.softplus(scored.negative / contrast.temperature))
    return contrast.mean((positive + negative) / (number + 1))


def cosine_contrastive(contrast: Contrast, *, weight: float, margin: float) -> tf.Tensor:
    """(1 − s⁺) + weight · mean of max(0, s⁻ − margin) over the negatives (SimpleX, Mao et al. 2021)."""
    scored = pairs(contrast)
    negative = scored.mean_of_negatives(tf.nn.relu(scored.negative - margin))
    return contrast.mean(1 - scored.positive + weight * negative)
