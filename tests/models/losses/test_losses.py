"""Every loss equals the one written out by hand, and its gradient moves what it should."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.losses import (
    Contrast,
    bpr,
    build_loss,
    contrastive,
    cosine_contrastive,
    gbce,
    gramian,
    sampled_softmax,
    triplet,
)
from models.spec.config import TrainingConfig
from tests.models.losses.contrasts import (
    BATCH,
    CATALOGUE,
    COUNT,
    ITEMS,
    LABEL,
    QUERIES,
    TEMPERATURE,
    drawn,
    full,
    in_batch,
    mixed,
    positives_of,
)


def negatives_of(contrast: Contrast, i: int) -> list[int]:
    """Columns that are negatives of a query, one by one."""
    rows, known = contrast.rows.numpy(), set(zip(contrast.known_row.numpy(), contrast.known.numpy(), strict=True))
    own = contrast.labels.numpy()[i]
    return [j for j, row in enumerate(rows) if row != own and (i, row) not in known]


def by_hand(contrast: Contrast, row_loss) -> float:
    """Mean over the batch of `row_loss(query, positive, negatives, frequencies of the negatives)`."""
    candidates, frequency = contrast.candidates.numpy(), contrast.frequency.numpy()
    losses = []
    for i, positive in enumerate(contrast.positives.numpy()):
        columns = negatives_of(contrast, i)
        losses.append(row_loss(QUERIES[i], positive, candidates[columns], frequency[columns]))
    return float(np.average(losses, weights=contrast.weight))


def softplus(x):
    return np.log1p(np.exp(x))


def sampled_by_hand(exponent):
    def row_loss(q, p, n, f):
        weights = np.exp(n @ q / TEMPERATURE) / f**exponent
        return -q @ p / TEMPERATURE + np.log(np.exp(q @ p / TEMPERATURE) + weights.sum())

    return row_loss


def gbce_by_hand(calibration):
    def row_loss(q, p, n, f):
        a = len(n) / (CATALOGUE - 1)
        beta = a * (calibration * (1 - 1 / a) + 1 / a)
        sigmoid = [1 / (1 + np.exp(-v @ q / TEMPERATURE)) for v in (p, *n)]
        return -(beta * np.log(sigmoid[0]) + np.log(1 - np.array(sigmoid[1:])).sum()) / (len(n) + 1)

    return row_loss


def triplet_by_hand(margin):
    def row_loss(q, p, n, f):
        positive, distances = np.linalg.norm(q - p), np.linalg.norm(q - n, axis=1)
        farther = distances[distances > positive]
        return max(0, positive - (farther.min() if len(farther) else distances.max()) + margin)

    return row_loss


BY_HAND: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sampled": (partial(sampled_softmax, logq_exponent=1.0), sampled_by_hand(1.0)),
    "sampled, half corrected": (partial(sampled_softmax, logq_exponent=0.5), sampled_by_hand(0.5)),
    "bpr": (bpr, lambda q, p, n, f: softplus((n @ q - p @ q) / TEMPERATURE).mean()),
    "gbce": (partial(gbce, calibration=0.75), gbce_by_hand(0.75)),
    "uncalibrated gbce": (
        partial(gbce, calibration=0.0),
        lambda q, p, n, f: softplus(np.array([-p @ q, *(n @ q)]) / TEMPERATURE).mean(),
    ),
    "cosine contrastive": (
        partial(cosine_contrastive, weight=150.0, margin=0.4),
        lambda q, p, n, f: 1 - q @ p + 150 * np.maximum(0, n @ q - 0.4).mean(),
    ),
    "contrastive": (
        partial(contrastive, margin=3.0),
        lambda q, p, n, f: (
            np.sum((q - p) ** 2) / 2 + np.mean(np.maximum(0, 3 - np.linalg.norm(q - n, axis=1)) ** 2) / 2
        ),
    ),
    "triplet": (partial(triplet, margin=0.5), triplet_by_hand(0.5)),
}


@pytest.mark.parametrize("build", [in_batch, full, drawn, mixed])
@pytest.mark.parametrize("name", BY_HAND)
def test_losses_by_hand(name, build):
    loss, row_loss = BY_HAND[name]
    contrast = build(weight=np.array([0, 2, 1, 0.5, 3, 1], np.float32))
    np.testing.assert_allclose(loss(contrast), by_hand(contrast, row_loss), rtol=1e-5)


def test_sampled_softmax_has_the_gradient_of_the_refined_correction():
    def refined(contrast: Contrast) -> tf.Tensor:
        scores = tf.matmul(contrast.queries, contrast.candidates, transpose_b=True) / TEMPERATURE
        mask = tf.constant([[j in negatives_of(contrast, i) for j in range(len(COUNT))] for i in range(BATCH)])
        corrected = tf.where(mask, scores - tf.math.log(contrast.frequency), -1e9)
        rest = tf.reduce_logsumexp(corrected, axis=1)
        positive = tf.reduce_sum(contrast.queries * contrast.positives, axis=1) / TEMPERATURE
        wrong = 1 - tf.exp(positive) / (tf.exp(positive) + tf.exp(rest))
        return tf.reduce_mean(tf.stop_gradient(wrong) * (rest - positive))

    for first, second in zip(
        *(gradients(loss, full()) for loss in (loss_named("sampled_softmax"), refined)), strict=True
    ):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


def test_gramian():
    contrast = full(weight=np.array([0, 2, 1, 0.5, 3, 1], np.float32))
    positive = np.sum(QUERIES * ITEMS[LABEL], axis=1)
    alike = np.average((QUERIES @ ITEMS.T) ** 2, axis=1, weights=1 / COUNT)
    expected_value = np.average((1 - positive) ** 2 + 3 * alike, weights=contrast.weight)
    np.testing.assert_allclose(gramian(contrast, unobserved_weight=3.0), expected_value, rtol=1e-5)


NAMES = [
    "full_softmax", "in_batch_softmax", "sampled_softmax", "bpr", "gbce", "cosine_contrastive",
    "contrastive", "triplet", "gramian",
]  # fmt: skip


def loss_named(name: str):
    # Every triplet violates this margin, so that there is a gradient.
    training = TrainingConfig.model_validate(
        {"loss": {"type": "triplet", "margin": 9.0} if name == "triplet" else name}
    )
    return build_loss(training.loss, training)


def gradients(loss, contrast: Contrast) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch([contrast.queries, contrast.candidates])
        value = loss(replace(contrast, positives=tf.gather(contrast.candidates, positives_of(contrast))))
    slopes = tape.gradient(value, [contrast.queries, contrast.candidates])
    return [tf.convert_to_tensor(slope).numpy() for slope in slopes]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_even_without_negatives_or_distance(name):
    build = full if name == "full_softmax" else in_batch
    everything = [(i, row) for i in range(BATCH) for row in range(CATALOGUE) if row != LABEL[i]]
    same = replace(build(), candidates=tf.ones_like(build().candidates), queries=tf.ones_like(QUERIES))
    for contrast in (build(), build(known=everything), same):
        assert all(np.isfinite(g).all() for g in gradients(loss_named(name), contrast))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gramian"])  # whose pairs are all pairs
def test_known_positives_are_never_negatives(name):
    """Query 0 knows candidates 3 and 7. It is the only query with weight, so nothing moves these candidates."""
    alone = np.array([1, 0, 0, 0, 0, 0], np.float32)
    contrast = (full if name == "full_softmax" else in_batch)(weight=alone)
    moved = np.abs(gradients(loss_named(name), contrast)[1]).sum(axis=1)
    rows = contrast.rows.numpy()
    assert (moved[np.isin(rows, [3, 7])] == 0).all()
    assert (moved[rows == LABEL[0]] > 0).all()


def test_the_semi_hard_negative_is_the_nearest_beyond_the_positive():
    candidates = np.array([[1.0, 0], [0.5, 0], [1.1, 0], [1.5, 0]], np.float32)
    contrast = Contrast(
        queries=tf.zeros([1, 2]),
        positives=tf.constant(candidates[:1]),
        labels=tf.constant([0]),
        candidates=tf.constant(candidates),
        rows=tf.range(4),
        known=tf.constant([], tf.int32),
        known_row=tf.constant([], tf.int32),
        frequency=tf.ones([4]),
        weight=tf.ones([1]),
        temperature=1.0,
        catalogue=4,
    )
    moved = gradients(partial(triplet, margin=0.2), contrast)[1]
    assert np.abs(moved).sum(axis=1).nonzero()[0].tolist() == [0, 2]


def test_a_loss_is_given_by_name_or_with_parameters():
    def loss(value) -> str:
        return repr(TrainingConfig.model_validate({"loss": value}).loss)

    assert loss("gbce") == loss({"type": "gbce", "calibration": 0.75}) != loss({"type": "gbce", "calibration": 1})
    with pytest.raises(ValueError, match="margin"):
        loss({"type": "gbce", "margin": 1})
