"""Small contrasts of queries and candidates, for tests of losses."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from models.losses import Contrast

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
