"""Towers small enough to compute by hand: candidates are one-hot, a query adds up one row of weights per token."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from dataplane.artifacts import Model
from dataplane.artifacts.model import TrainingReport

TRAINED = TrainingReport(
    steps=2,
    events=10,
    batch_size=5,
    loss="full_softmax",
    temperature=0.1,
    labels="next",
    tried=(),
    metric="recall@10",
    validation={"recall@10": 0.5, "ndcg@10": 0.25},
    validation_queries=4,
    notes=(),
    embedding_dim=8,
    parameters=80,
    seconds=1.0,
    milliseconds_per_step=1.0,
    curve=(),
)


class TinyTowers(tf.Module):
    """Σ over the history of weights[history token, candidate token], plus the tokens of the query's columns."""

    def __init__(
        self,
        weights: np.ndarray,
        width: int,
        *,
        query_columns: tuple[str, ...] = (),
        candidate_columns: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.weights = tf.Variable(weights.astype(np.float32))
        candidate = {"candidate_id": tf.TensorSpec([None, 1], tf.int32)}
        candidate |= {name: tf.TensorSpec([None, None], tf.int32) for name in candidate_columns}
        self.embed_candidate = tf.function(self._candidate, input_signature=[candidate])
        query = {"history": tf.TensorSpec([None, width], tf.int32)}
        query |= {name: tf.TensorSpec([None, 1], tf.int32) for name in query_columns}
        self.embed_query = tf.function(self._query, input_signature=[query])

    def _candidate(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.one_hot(columns["candidate_id"][:, 0], self.weights.shape[0])

    def _query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        seen = tf.cast(columns["history"] > 0, tf.float32)[:, :, None]
        embedded = tf.reduce_sum(tf.gather(self.weights, columns["history"]) * seen, axis=1)
        for name in sorted(set(columns) - {"history"}):
            embedded += tf.cast(columns[name], tf.float32)
        return embedded


def save_towers(
    path: Path,
    weights: np.ndarray,
    *,
    width: int,
    query_columns: tuple[str, ...] = (),
    candidate_columns: tuple[str, ...] = (),
) -> Model:
    """A Model artifact with these towers, and a report as of two steps."""
    towers = TinyTowers(weights, width, query_columns=query_columns, candidate_columns=candidate_columns)
    tf.saved_model.save(towers, str(path / "towers"))
    model = Model(path)
    TRAINED.write(model)
    return model
