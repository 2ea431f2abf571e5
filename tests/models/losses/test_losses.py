from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import models.losses.blocked_softmax
from models.losses import (
    Contrast,
    bpr,
    build_loss,
    contrastive,
    cosine_contrastive,
    full_softmax,
    gbce,
    gramian,
    in_batch_softmax,
    sampled_softmax,
    triplet,
)
from models.losses.augmentation import category_alignment, mimic
from models.losses.contrast import known_columns, own_columns
from models.spec.config import TrainingConfig

RANDOM = np.random.default_rng(0)
BATCH, CATALOGUE, DIM, TEMPERATURE = 6, 9, 4, 0.5
LABEL = np.array([0, 3, 3, 5, 8, 1], np.int32)
ITEMS = RANDOM.normal(size=(CATALOGUE, DIM)).astype(np.float32)
QUERIES = RANDOM.normal(size=(BATCH, DIM)).astype(np.float32)
COUNT = np.arange(1, CATALOGUE + 1, dtype=np.float32)
KNOWN = [(0, 3), (0, 7), (2, 0), (2, 8), (5, 2)]


def against(rows: np.ndarray, positive: np.ndarray, known=KNOWN, weight=None) -> Contrast:
    pairs = np.array(known, np.int32).reshape(-1, 2)
    return Contrast(
        queries=tf.constant(QUERIES),
        positives=tf.constant(ITEMS[rows[positive]]),
        labels=tf.constant(rows[positive], tf.int32),
        candidates=tf.constant(ITEMS[rows]),
        rows=tf.constant(rows, tf.int32),
        known=tf.constant(pairs[:, 1]),
        known_row=tf.constant(pairs[:, 0]),
        frequency=tf.constant(COUNT[rows]),
        weight=tf.constant(np.full(BATCH, 1 / BATCH, np.float32) if weight is None else weight / weight.sum()),
        temperature=TEMPERATURE,
        catalogue=CATALOGUE,
    )


def in_batch(**changes) -> Contrast:
    return against(LABEL, np.arange(BATCH), **changes)


def full(**changes) -> Contrast:
    return against(np.arange(CATALOGUE), LABEL, **changes)


def drawn(**changes) -> Contrast:
    """Randomly drawn negatives, one of them twice."""
    rows = np.array([7, 3, 6, 3, 0])
    there = against(np.concatenate([LABEL, rows]), np.arange(BATCH), **changes)
    return replace(
        there, candidates=tf.constant(ITEMS[rows]), rows=tf.constant(rows, tf.int32), frequency=tf.constant(COUNT[rows])
    )


def mixed(**changes) -> Contrast:
    return against(np.concatenate([LABEL, [7, 3, 6]]), np.arange(BATCH), **changes)


def positives_of(contrast: Contrast) -> list[int]:
    """The column of each query's positive: column i in a batch, the only match in the catalogue."""
    rows, labels = contrast.rows.numpy(), contrast.labels.numpy()
    return [i if rows[i] == label else int(np.argmax(rows == label)) for i, label in enumerate(labels)]


def expected(contrast: Contrast, *, exponent: float = 0.0) -> np.ndarray:
    """Row losses, written out pair by pair."""
    rows, losses = contrast.rows.numpy(), []
    known = set(zip(contrast.known_row.numpy(), contrast.known.numpy(), strict=True))
    for i, positive in enumerate(positives_of(contrast)):
        scores = {}
        for j, row in enumerate(rows):
            if j == positive or (row != rows[positive] and (i, row) not in known):
                scores[j] = QUERIES[i] @ ITEMS[row] / TEMPERATURE - exponent * np.log(COUNT[row])
        losses.append(np.log(sum(np.exp(score) for score in scores.values())) - scores[positive])
    return np.array(losses)


@pytest.mark.parametrize("build", [in_batch, mixed])
@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_in_batch_softmax(exponent, build):
    loss = in_batch_softmax(build(), logq_exponent=exponent)
    np.testing.assert_allclose(loss, expected(build(), exponent=exponent).mean(), rtol=1e-5)


@pytest.mark.parametrize("build", [in_batch, mixed])
def test_a_candidate_that_comes_twice_pulls_twice(build):
    """Compares with the loss written out over all columns; gradients are taken by catalogue row."""
    table, queries = tf.constant(ITEMS), tf.constant(QUERIES)
    drawn_as_well = np.arange(len(build().rows)) >= BATCH  # and expected more often there
    contrast = replace(build(), frequency=build().frequency * np.where(drawn_as_well, 3, 1).astype(np.float32))

    def written_out(embedded: Contrast) -> tf.Tensor:
        scores = tf.matmul(embedded.queries, embedded.candidates, transpose_b=True) / TEMPERATURE
        scores -= tf.math.log(embedded.frequency)
        own = tf.eye(BATCH, len(embedded.rows), dtype=tf.bool)
        out = known_columns(embedded) | (own_columns(embedded) & ~own)
        return tf.reduce_mean(tf.reduce_logsumexp(tf.where(out, -1e9, scores), axis=1) - tf.boolean_mask(scores, own))

    def gradients_by_row(loss) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([queries, table])
            value = loss(replace(contrast, queries=queries, candidates=tf.gather(table, contrast.rows)))
        return [tf.convert_to_tensor(slope) for slope in tape.gradient(value, [queries, table])]

    for wanted, found in zip(
        gradients_by_row(written_out), gradients_by_row(partial(in_batch_softmax, logq_exponent=1)), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_full_softmax():
    np.testing.assert_allclose(full_softmax(full()), expected(full()).mean(), rtol=1e-5)


def test_known_positives_change_both_losses():
    assert full_softmax(full()) < full_softmax(full(known=[]))
    some, none = (in_batch_softmax(in_batch(known=known), logq_exponent=1) for known in (KNOWN, []))
    assert some < none


def test_known_columns_finds_every_place_of_a_candidate():
    found = {(int(i), int(LABEL[j])) for i, j in np.argwhere(known_columns(in_batch()))}
    assert found == {(0, 3), (2, 0), (2, 8)}
    assert known_columns(in_batch()).numpy()[0].tolist() == (LABEL == 3).tolist()


@pytest.mark.parametrize("build", ["in_batch", "full"])
def test_weights_make_a_weighted_mean(build):
    weight = np.array([0, 2, 1, 0.5, 3, 1], np.float32)
    contrast = {"in_batch": in_batch, "full": full}[build](weight=weight)
    loss = full_softmax(contrast) if build == "full" else in_batch_softmax(contrast, logq_exponent=0)
    np.testing.assert_allclose(loss, np.average(expected(contrast), weights=weight), rtol=1e-5)


def test_frequencies_count_only_relative_to_each_other_even_when_rare():
    contrast = in_batch()
    rare = replace(contrast, frequency=contrast.frequency * 1e-9)
    first, second = (in_batch_softmax(each, logq_exponent=1) for each in (contrast, rare))
    np.testing.assert_allclose(first, second, rtol=1e-5)


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


def test_full_softmax_of_a_positive_whose_share_underflows_float32():
    contrast = full(known=[])
    contrast = replace(contrast, temperature=0.001)
    scores = QUERIES.astype(np.float64) @ ITEMS.T.astype(np.float64) / 0.001
    highest = scores.max(axis=1)
    expected = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1)) - scores[np.arange(BATCH), LABEL]
    assert expected.max() > 1000  # its share is 0 in float32
    np.testing.assert_allclose(full_softmax(contrast), expected.mean(), rtol=1e-4)


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


def test_blocks_change_neither_the_loss_nor_its_gradient(monkeypatch):
    def loss_and_gradients() -> list[np.ndarray]:
        @tf.function
        def compute(queries, candidates):
            with tf.GradientTape() as tape:
                tape.watch([queries, candidates])
                positives = tf.gather(candidates, LABEL)
                loss = full_softmax(replace(full(), queries=queries, candidates=candidates, positives=positives))
            return [loss, *tape.gradient(loss, [queries, candidates])]

        return [value.numpy() for value in compute(tf.constant(QUERIES), tf.constant(ITEMS))]

    whole = loss_and_gradients()
    monkeypatch.setattr(models.losses.blocked_softmax, "_BLOCK_LOGITS", 2 * CATALOGUE)
    monkeypatch.setattr(models.losses.blocked_softmax, "_LEAST_ROWS", 1)
    for expected_value, value in zip(whole, loss_and_gradients(), strict=True):
        np.testing.assert_allclose(value, expected_value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 64])
def test_queries_of_a_group_share_known_positives_but_not_labels(monkeypatch, rows):
    monkeypatch.setattr(models.losses.blocked_softmax, "_BLOCK_LOGITS", CATALOGUE)
    monkeypatch.setattr(models.losses.blocked_softmax, "_LEAST_ROWS", rows)
    group = np.array([0, 0, 0, 1, 2, 2], np.int32)
    known = {0: [0, 3, 7], 2: [1, 8]}  # includes each group's labels, except that of group 1
    of_groups = [(owner, row) for owner, rows in known.items() for row in rows]
    one_by_one = [(i, row) for i, owner in enumerate(group) for row in known.get(int(owner), []) if row != LABEL[i]]

    for loss, build in ((full_softmax, full), (partial(in_batch_softmax, logq_exponent=1), in_batch), (bpr, drawn)):
        grouped = replace(build(known=of_groups), group=tf.constant(group))
        np.testing.assert_allclose(loss(grouped), loss(build(known=one_by_one)), rtol=1e-5)


def test_mimic_moves_only_the_augmented_vectors():
    queries, positives = tf.Variable(np.ones((BATCH, DIM), np.float32)), tf.Variable(np.zeros((BATCH, DIM), np.float32))
    with tf.GradientTape() as tape:
        contrast = in_batch()
        tape.watch([contrast.queries, contrast.positives])
        loss = mimic(contrast, queries=queries, positives=positives)
    np.testing.assert_allclose(loss, np.mean(np.sum((1 - ITEMS[LABEL]) ** 2 + QUERIES**2, axis=1)), rtol=1e-5)
    *own, query, positive = tape.gradient(loss, [queries, positives, contrast.queries, contrast.positives])
    assert all(np.abs(gradient).sum() > 0 for gradient in own)
    assert query is None
    assert positive is None


def test_categories_are_aligned_to_the_largest():
    categories = np.array([1, 1, 1, 1, 2, 2, 2, 3, 0])
    covariances = {c: np.cov(ITEMS[categories == c].T, bias=True) for c in (1, 2)}
    found = category_alignment(tf.constant(ITEMS), tf.constant(categories), number=5)
    np.testing.assert_allclose(found, np.sum((covariances[1] - covariances[2]) ** 2), rtol=1e-4)


def test_categories_without_candidates_leave_the_gradient_finite():
    vectors = tf.Variable(ITEMS)
    with tf.GradientTape() as tape:
        loss = category_alignment(vectors, tf.constant([1, 1, 1, 1, 2, 2, 2, 3, 0]), number=5)
    assert np.isfinite(tape.gradient(loss, vectors)).all()
