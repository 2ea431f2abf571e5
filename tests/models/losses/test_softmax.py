"""Softmax over the batch and over the catalogue: corrections, known positives, weights and blocks."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

import models.losses.blocked_softmax
from models.losses import Contrast, bpr, full_softmax, in_batch_softmax
from models.losses.contrast import known_columns, own_columns
from tests.models.losses.contrasts import (
    BATCH,
    CATALOGUE,
    COUNT,
    ITEMS,
    KNOWN,
    LABEL,
    QUERIES,
    TEMPERATURE,
    drawn,
    full,
    in_batch,
    mixed,
    positives_of,
)


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


def test_full_softmax_of_a_positive_whose_share_underflows_float32():
    contrast = full(known=[])
    contrast = replace(contrast, temperature=0.001)
    scores = QUERIES.astype(np.float64) @ ITEMS.T.astype(np.float64) / 0.001
    highest = scores.max(axis=1)
    expected = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1)) - scores[np.arange(BATCH), LABEL]
    assert expected.max() > 1000  # its share is 0 in float32
    np.testing.assert_allclose(full_softmax(contrast), expected.mean(), rtol=1e-4)


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
