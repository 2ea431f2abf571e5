"""A served model of a large catalogue with random towers, and requests to it."""

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.retrieval.vectors import DIMENSION
from models.spec.features import FeatureSpec

TOP_K = 100
_HISTORY = 50
_MEAN_HISTORY = 20
FEATURES = FeatureSpec.model_validate(
    {
        "query": {"country": {"type": "categorical"}, "age": {"type": "numeric"}},
        "history": {"max_length": _HISTORY},
    }
)
ENCODED = {
    "country": tf.TensorSpec([None, 1], tf.int32),
    "age": tf.TensorSpec([None, 1], tf.float32),
    "history": tf.TensorSpec([None, _HISTORY], tf.int32),
}
"""Signature of the query tower."""


class Towers(tf.Module):
    """A mean over the history's vectors and two dense layers; candidates are rows of the table."""

    def __init__(self, vectors: tf.Variable) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        self._items = vectors
        self._first = tf.Variable(0.1 * random.standard_normal((DIMENSION + 1, 256), np.float32))
        self._second = tf.Variable(0.1 * random.standard_normal((256, DIMENSION), np.float32))
        self.embed_query = tf.function(self._query, input_signature=[ENCODED])
        self.embed_candidate = tf.function(
            lambda columns: tf.gather(self._items.read_value(), columns["candidate_id"][:, 0]),
            input_signature=[{"candidate_id": tf.TensorSpec([None, 1], tf.int32)}],
        )

    def _query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        known = tf.cast(columns["history"] > 0, tf.float32)[:, :, None]
        # Read the whole variable first: ScaNN copies a variable at every read once something was gathered from it.
        items = tf.gather(self._items.read_value(), tf.maximum(columns["history"] - 2, 0))
        taste = tf.reduce_sum(items * known, axis=1)
        hidden = tf.nn.relu(tf.concat([taste, columns["age"]], axis=1) @ self._first)
        return tf.math.l2_normalize(tf.math.l2_normalize(taste, axis=1) + 0.1 * hidden @ self._second, axis=1)


def candidate_id(row: int) -> str:
    """The id of a row of the catalogue."""
    return f"item-{row:07d}"


def catalogue_size(model: Any) -> int:
    """Candidates of a loaded model."""
    return int(model.candidate_ids.order.shape[0])


def requests(random: np.random.Generator, batch: int, candidates: int) -> dict[str, tf.Tensor]:
    """Raw requests with histories of up to 50 candidates, 20 on average."""
    history = np.full((batch, _HISTORY), "", object)
    for row in history:
        events = min(_HISTORY, random.poisson(_MEAN_HISTORY))
        row[:events] = [candidate_id(item) for item in random.integers(0, candidates, events)]
    return {
        "country": tf.constant(random.choice(["nl", "de", "fr"], batch)),
        "age": tf.constant(random.uniform(18, 80, batch).astype(np.float32)),
        "history": tf.constant(history),
    }
