"""Losses beside the main one: augmented vectors and the alignment of categories."""

import numpy as np
import tensorflow as tf

from models.losses.augmentation import category_alignment, mimic
from tests.models.losses.contrasts import BATCH, DIM, ITEMS, LABEL, QUERIES, in_batch


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
