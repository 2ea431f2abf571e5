from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import models.losses
from models.losses import Contrast, full_softmax, in_batch_softmax, known_columns

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
        candidates=tf.constant(ITEMS[rows]),
        rows=tf.constant(rows, tf.int32),
        positive=tf.constant(positive, tf.int32),
        known=tf.constant(pairs[:, 1]),
        known_row=tf.constant(pairs[:, 0]),
        frequency=tf.constant(COUNT[rows]),
        weight=tf.constant(np.ones(BATCH, np.float32) if weight is None else weight),
        temperature=TEMPERATURE,
    )


def in_batch(**changes) -> Contrast:
    return against(LABEL, np.arange(BATCH), **changes)


def full(**changes) -> Contrast:
    return against(np.arange(CATALOGUE), LABEL, **changes)


def expected(contrast: Contrast, *, exponent: float = 0.0) -> np.ndarray:
    """Row losses, written out pair by pair."""
    rows, losses = contrast.rows.numpy(), []
    known = set(zip(contrast.known_row.numpy(), contrast.known.numpy(), strict=True))
    for i, positive in enumerate(contrast.positive.numpy()):
        scores = {}
        for j, row in enumerate(rows):
            if j == positive or (row != rows[positive] and (i, row) not in known):
                scores[j] = QUERIES[i] @ ITEMS[row] / TEMPERATURE - exponent * np.log(COUNT[row])
        losses.append(np.log(sum(np.exp(score) for score in scores.values())) - scores[positive])
    return np.array(losses)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_in_batch_softmax(exponent):
    loss = in_batch_softmax(in_batch(), logq_exponent=exponent)
    np.testing.assert_allclose(loss, expected(in_batch(), exponent=exponent).mean(), rtol=1e-5)


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


def test_blocks_change_neither_the_loss_nor_its_gradient(monkeypatch):
    def loss_and_gradients() -> list[np.ndarray]:
        @tf.function
        def compute(queries, candidates):
            with tf.GradientTape() as tape:
                tape.watch([queries, candidates])
                loss = full_softmax(replace(full(), queries=queries, candidates=candidates))
            return [loss, *tape.gradient(loss, [queries, candidates])]

        return [value.numpy() for value in compute(tf.constant(QUERIES), tf.constant(ITEMS))]

    whole = loss_and_gradients()
    monkeypatch.setattr(models.losses, "_BLOCK_LOGITS", 2 * CATALOGUE)
    for expected_value, value in zip(whole, loss_and_gradients(), strict=True):
        np.testing.assert_allclose(value, expected_value, rtol=1e-4, atol=1e-6)
