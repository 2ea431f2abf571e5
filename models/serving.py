"""The serving model: raw features and history in, candidate ids and scores out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.features import (
    HISTORY,
    CategoricalFeature,
    Feature,
    FeatureSpec,
    NumericFeature,
    Side,
    TimestampFeature,
    VectorFeature,
)
from models.index import Search
from models.seen import search_unseen

SIGNATURE = "serving_default"
_EMBEDDINGS = "search/embeddings/.ATTRIBUTES/VARIABLE_VALUE"
_HASH_RANGE = (1 << 63) - 1


def raw_inputs(features: FeatureSpec, *, remove_seen: bool) -> dict[str, tf.TensorSpec]:
    """Inputs of the serving signature by name; missing values are "", NaN and -2^63.

    Args:
        features: whose query and context features are asked for.
        remove_seen: whether the history is needed even if the query tower does not read it.
    """
    sides: tuple[Side, ...] = ("query", "context")
    inputs = {name: _raw_input(name, feature) for side in sides for name, feature in features.of(side).items()}
    if features.history is not None or remove_seen:
        inputs[HISTORY] = tf.TensorSpec([None, None], tf.string, name=HISTORY)
    return inputs


def _raw_input(name: str, feature: Feature) -> tf.TensorSpec:
    match feature:
        case NumericFeature():
            return tf.TensorSpec([None], tf.float32, name=name)
        case TimestampFeature():
            return tf.TensorSpec([None], tf.int64, name=name)
        case VectorFeature(dimension=dimension):
            return tf.TensorSpec([None, dimension], tf.float32, name=name)
        case CategoricalFeature(max_values=max_values) if max_values > 1:
            return tf.TensorSpec([None, None], tf.string, name=name)
        case _:
            return tf.TensorSpec([None], tf.string, name=name)


class CandidateIds(tf.Module):
    """The ids of the candidates, by row and back, in variables: graphs and their tables are limited to 2 GB."""

    def __init__(self, ids: np.ndarray) -> None:
        """Takes ids in the order of rows.

        Args:
            ids: `[candidates]` strings (str or UTF-8 bytes), distinct, none empty.
        """
        super().__init__(name="candidate_ids")
        self.ids = tf.Variable(tf.constant(ids, tf.string), trainable=False, name="ids")
        self._key, hashes = _distinct_hashes(self.ids)
        order = np.argsort(hashes)
        self.hashes = tf.Variable(hashes[order], trainable=False, dtype=tf.int64, name="hashes")
        self.order = tf.Variable(order.astype(np.int32), trainable=False, name="order")

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Rows of string ids of any shape, int32 of that shape; -1 where an id is not a candidate's."""
        flat = tf.reshape(ids, [-1])
        hashes = _hash(flat, self._key)
        positions = tf.minimum(tf.searchsorted(self.hashes, hashes), len(self) - 1)
        rows = tf.gather(self.order, positions)
        rows = tf.where(tf.equal(tf.gather(self.ids, rows), flat), rows, -1)
        return tf.reshape(rows, tf.shape(ids))

    def of(self, rows: tf.Tensor) -> tf.Tensor:
        """Ids of int32 rows, strings of the same shape; "" where the row is negative."""
        return tf.where(rows < 0, "", tf.gather(self.ids, tf.maximum(rows, 0)))


class ServingModule(tf.Module):
    """Answers a batch of raw requests with the best candidates of each.

    The loaded preprocessing and towers are part of it, so that its SavedModel needs no other file.
    """

    def __init__(
        self,
        *,
        preprocessing: Any,
        towers: Any,
        features: FeatureSpec,
        candidate_ids: CandidateIds,
        search: Search,
        top_k: int,
        remove_seen: bool,
    ) -> None:
        """Puts the parts together.

        Args:
            preprocessing: has `encode_query`, `encode_context` and `encode_history`.
            towers: has `embed_query`.
            features: what both were made for.
            candidate_ids: ids of the rows that `search` finds.
            search: finds rows for query embeddings.
            top_k: answers of a request, clipped to the number of candidates.
            remove_seen: whether candidates in the request's history are left out of its answers.
        """
        super().__init__(name="serving")
        self.preprocessing = preprocessing
        self.towers = towers
        self.candidate_ids = candidate_ids
        self.search = search
        self._features = features
        self._top_k = min(top_k, len(candidate_ids))
        self._remove_seen = remove_seen
        self.serve = tf.function(self._serve, input_signature=[raw_inputs(features, remove_seen=remove_seen)])

    def _serve(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        queries = self._embed(request)
        candidates = len(self.candidate_ids)
        if self._remove_seen:
            seen = self.candidate_ids.rows(request[HISTORY])
            rows, scores = search_unseen(self.search, queries, seen, count=self._top_k, candidates=candidates)
        else:
            rows, scores = self.search.search(queries, tf.constant(self._top_k))
        shape = [None, self._top_k]
        return {
            "candidate_ids": tf.ensure_shape(self.candidate_ids.of(rows), shape),
            "scores": tf.ensure_shape(scores, shape),
        }

    def _embed(self, request: Mapping[str, tf.Tensor]) -> tf.Tensor:
        encoded: dict[str, tf.Tensor] = {}
        if self._features.query:
            encoded |= self.preprocessing.encode_query(self._raw(request, "query"))
        if self._features.context:
            encoded |= self.preprocessing.encode_context(self._raw(request, "context"))
        if self._features.history is not None:
            encoded[HISTORY] = self.preprocessing.encode_history(request[HISTORY])
        return self.towers.embed_query(encoded)

    def _raw(self, request: Mapping[str, tf.Tensor], side: Side) -> dict[str, tf.Tensor]:
        return {name: request[name] for name in self._features.of(side)}


def export(module: ServingModule, directory: Path) -> None:
    """Saves `module` as a self-contained SavedModel with signature `serving_default`; makes the directory."""
    tf.saved_model.save(
        module,
        str(directory),
        signatures={SIGNATURE: module.serve},
        options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
    )


def exported_embeddings(directory: Path) -> np.ndarray:
    """Candidate embeddings in the SavedModel of an exact serving module, float32 `[candidates, dim]`."""
    embeddings: np.ndarray = tf.train.load_variable(str(directory / "variables" / "variables"), _EMBEDDINGS)
    return embeddings


def _hash(values: tf.Tensor, key: int) -> tf.Tensor:
    return tf.strings.to_hash_bucket_strong(values, _HASH_RANGE, [key, 0])


def _distinct_hashes(ids: tf.Variable) -> tuple[int, np.ndarray]:
    """The first key of the hash under which no two ids collide, and the hashes, int64."""
    for key in range(8):
        hashes: np.ndarray = _hash(ids, key).numpy()
        if len(np.unique(hashes)) == len(hashes):
            return key, hashes
    raise ValueError("candidate ids are not distinct")
