"""The TensorFlow Recommenders tutorial, and the same towers as a plain Keras model.

Taken from https://www.tensorflow.org/recommenders/examples/basic_retrieval and, for the dense layer,
https://www.tensorflow.org/recommenders/examples/deep_recommenders: string ids looked up inside the towers, Adagrad
with a rate of 0.1, metrics over the streamed catalogue in every step unless they are turned off.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

LEARNING_RATE = 0.1
METRICS_BATCH = 128
"""Candidates that the tutorial's FactorizedTopK reads at a time."""


class Tutorial(tfrs.Model):
    """The tutorial's model.

    Args:
        query_ids: distinct ids, strings `[queries]`.
        candidate_ids: distinct ids, strings `[candidates]`.
        dim: length of the embeddings.
        dense: whether a dense layer follows the embedding, as in the tutorial on deeper models.
        metrics: whether each step ranks the catalogue, as the tutorial has it; validation then always does.
    """

    def __init__(
        self, query_ids: np.ndarray, candidate_ids: np.ndarray, *, dim: int, dense: bool, metrics: bool
    ) -> None:
        super().__init__()
        self.query_model = _tower(query_ids, dim, dense)
        self.candidate_model = _tower(candidate_ids, dim, dense)
        self._metrics_on = metrics
        self.task: tf.keras.layers.Layer = tfrs.tasks.Retrieval()
        if metrics:
            catalogue = tf.data.Dataset.from_tensor_slices(candidate_ids).batch(METRICS_BATCH)
            self.task = tfrs.tasks.Retrieval(
                metrics=tfrs.metrics.FactorizedTopK(candidates=catalogue.map(self.candidate_model))
            )

    def compute_loss(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The in-batch softmax of the task."""
        queries = self.query_model(features["query_id"])
        candidates = self.candidate_model(features["candidate_id"])
        return self.task(queries, candidates, compute_metrics=self._metrics_on)


class PlainKeras(tf.keras.Model):
    """The same towers on integer ids, with in-batch softmax in a few lines.

    Args:
        queries: how many there are.
        candidates: how many there are.
        dim: length of the embeddings.
    """

    def __init__(self, queries: int, candidates: int, *, dim: int) -> None:
        super().__init__()
        self._query = tf.keras.Sequential([tf.keras.layers.Embedding(queries, dim), tf.keras.layers.Dense(dim)])
        self._candidate = tf.keras.Sequential([tf.keras.layers.Embedding(candidates, dim), tf.keras.layers.Dense(dim)])

    def train_step(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the optimiser."""
        with tf.GradientTape() as tape:
            queries, candidates = self._query(batch["query_id"]), self._candidate(batch["candidate_id"])
            scores = tf.matmul(queries, candidates, transpose_b=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(tf.shape(scores)[0]), scores)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def batches(columns: Mapping[str, np.ndarray], batch_size: int) -> tf.data.Dataset:
    """Cached batches as the tutorial makes them; a batch that is not full is left out."""
    events = tf.data.Dataset.from_tensor_slices(dict(columns))
    return (
        events.shuffle(100_000, seed=42, reshuffle_each_iteration=False).batch(batch_size, drop_remainder=True).cache()
    )


def compiled(model: Any) -> Any:
    """The model with the tutorial's optimiser."""
    model.compile(optimizer=tf.keras.optimizers.Adagrad(LEARNING_RATE))
    return model


def _tower(ids: np.ndarray, dim: int, dense: bool) -> tf.keras.Sequential:
    layers = [
        tf.keras.layers.StringLookup(vocabulary=ids, mask_token=None),
        tf.keras.layers.Embedding(len(ids) + 1, dim),
    ]
    return tf.keras.Sequential([*layers, tf.keras.layers.Dense(dim)] if dense else layers)
