"""The serving model: raw features and history in, candidate ids and scores out.

All signatures have named inputs and outputs of static rank and accept batches of any size:

- `serving_default`: query inputs → the best candidates, `candidate_ids` and `scores`, `[batch, top_k]`
- `recommend_filtered`: the same without `exclude_ids`. Rows with `allow_ids` are restricted to these; an empty
  allow-list means no restriction
- `similar_candidates`: `candidate_id` → the nearest candidates without itself; no answers for an unknown id
- `similar_queries` (if stored queries are indexed): query inputs → `query_ids` and `scores` of the stored queries with
  the nearest embeddings by cosine. A stored query's own inputs find that query itself
- `score`: query inputs and `candidate_ids` `[batch, any]` → `scores`, float32.min for an unknown id
- `embed_query`, `embed_candidate`: raw features → `embedding`, `[batch, dim]`; a score is the dot product of two
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.preprocessing.preprocessing import packed_history
from models.retrieval.candidate_ids import CandidateIds, TokenRows
from models.retrieval.filtering import no_answers, score_rows, search_among, search_excluding
from models.retrieval.index import Search
from models.spec.features import (
    CANDIDATE_ID,
    HISTORY,
    CategoricalFeature,
    Feature,
    FeatureSpec,
    NumericFeature,
    Side,
    TimestampFeature,
    VectorFeature,
)

SIGNATURE = "serving_default"
SIMILAR_QUERIES = "similar_queries"
EXCLUDE_IDS, ALLOW_IDS, CANDIDATE_IDS = "exclude_ids", "allow_ids", "candidate_ids"


def raw_inputs(features: FeatureSpec, *, remove_seen: bool) -> dict[str, tf.TensorSpec]:
    """Inputs of the serving signature by name; missing values are "", NaN or -2^63.

    Args:
        features: gives the query and context features.
        remove_seen: whether the history is an input even if the query tower does not read it.
    """
    sides: tuple[Side, ...] = ("query", "context")
    inputs = {name: _raw_input(name, feature) for side in sides for name, feature in features.of(side).items()}
    if features.history is not None or remove_seen:
        inputs[HISTORY] = tf.TensorSpec([None, None], tf.string, name=HISTORY)
    return inputs


@dataclass(frozen=True)
class IndexedQueries:
    """Stored queries that can be searched by their embeddings.

    Attributes:
        ids: ids of the rows that `search` finds.
        search: search over their embeddings, which have length 1 (see `unit_vectors`).
    """

    ids: CandidateIds
    search: Search


def unit_vectors(embeddings: np.ndarray) -> np.ndarray:
    """Scales rows to length 1, float32 of the same shape; zero rows stay zero."""
    scaled: np.ndarray = tf.math.l2_normalize(embeddings, axis=1).numpy()
    return scaled


def signature_inputs(features: FeatureSpec, *, remove_seen: bool, queries: bool) -> dict[str, dict[str, tf.TensorSpec]]:
    """Inputs of every signature: signature name → input name → shape and type.

    Args:
        features: see `raw_inputs`.
        remove_seen: see `raw_inputs`.
        queries: whether stored queries are indexed.
    """
    asked, query = (raw_inputs(features, remove_seen=needs_history) for needs_history in (remove_seen, False))
    return ({SIMILAR_QUERIES: query} if queries else {}) | {
        SIGNATURE: asked,
        "recommend_filtered": asked | {name: _id_lists(name) for name in (EXCLUDE_IDS, ALLOW_IDS)},
        "similar_candidates": {CANDIDATE_ID: tf.TensorSpec([None], tf.string, name=CANDIDATE_ID)},
        "score": query | {CANDIDATE_IDS: _id_lists(CANDIDATE_IDS)},
        "embed_query": query,
        "embed_candidate": {name: _raw_input(name, feature) for name, feature in features.of("candidate").items()},
    }


def _id_lists(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None, None], tf.string, name=name)


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


class ServingModule(tf.Module):
    """Answers a batch of raw requests with the best candidates of each.

    It contains the loaded preprocessing and towers, so its SavedModel needs no other file.

    Attributes:
        functions: the signatures by name; each takes a dict of the inputs in `signature_inputs`.
        find: `search.search` as a function, for callers that load the module and have embeddings.
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
        queries: IndexedQueries | None = None,
    ) -> None:
        """Assembles the module.

        Args:
            preprocessing: has `encode_query`, `encode_context`, `encode_candidate` and `candidate_tokens`.
            towers: has `embed_query` and `embed_candidate`.
            features: the features that both were built for.
            candidate_ids: ids of the candidate rows.
            search: finds candidate rows for query embeddings.
            top_k: number of answers, clipped to the number of candidates (or of queries).
            remove_seen: whether candidates in a request's history are removed from its answers.
            queries: stored queries for the signature `similar_queries`; None omits the signature.
        """
        super().__init__(name="serving")
        self.preprocessing = preprocessing
        self.towers = towers
        self.candidate_ids = candidate_ids
        self.search = search
        self._features = features
        self._top_k = min(top_k, len(candidate_ids))
        self._remove_seen = remove_seen
        if remove_seen and features.history is not None:
            tokens = preprocessing.candidate_tokens(candidate_ids.of(tf.range(len(candidate_ids)))).numpy()
            self.token_rows = TokenRows(candidate_ids, tokens, oov_buckets=features.candidate_id.oov_buckets)
        if queries is not None:
            self.query_ids, self.query_search = queries.ids, queries.search
        signatures = {
            SIMILAR_QUERIES: self._similar_queries,
            SIGNATURE: self._serve,
            "recommend_filtered": self._recommend_filtered,
            "similar_candidates": self._similar_candidates,
            "score": self._score,
            "embed_query": self._embed_query,
            "embed_candidate": self._embed_candidate,
        }
        inputs = signature_inputs(features, remove_seen=remove_seen, queries=queries is not None)
        vectors = tf.TensorSpec([None, search.dimension], tf.float32)
        self.find = tf.function(search.search, input_signature=[vectors, tf.TensorSpec([], tf.int32)], autograph=False)
        self.functions = {
            name: tf.function(signatures[name], input_signature=[specs], autograph=False)
            for name, specs in inputs.items()
        }

    def _serve(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        tokens = self._history_tokens(request)
        queries = self._embed(request, tokens)
        if self._remove_seen:
            return self._answers(*self._search_excluding(queries, self._seen(request, tokens)))
        return self._answers(*self.search.search(queries, tf.constant(self._top_k)))

    def _recommend_filtered(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        tokens = self._history_tokens(request)
        queries = self._embed(request, tokens)
        excluded = self.candidate_ids.rows(request[EXCLUDE_IDS])
        if self._remove_seen:
            excluded = tf.concat([excluded, self._seen(request, tokens)], axis=1)
        allowed = self.candidate_ids.rows(request[ALLOW_IDS])
        is_limited = tf.reduce_any(tf.not_equal(request[ALLOW_IDS], ""), axis=1)
        nothing = partial(no_answers, tf.shape(queries)[0], self._top_k)
        among = partial(search_among, self.search, queries, allowed, excluded, count=self._top_k)
        limited = tf.cond(tf.reduce_any(is_limited), among, nothing)
        free = tf.cond(tf.reduce_all(is_limited), nothing, partial(self._search_excluding, queries, excluded))
        return self._answers(*(tf.where(is_limited[:, None], *both) for both in zip(limited, free, strict=True)))

    def _similar_candidates(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        own = self.candidate_ids.rows(request[CANDIDATE_ID])[:, None]
        found = self._search_excluding(self.search.vectors(tf.maximum(own[:, 0], 0)), own)
        nothing = no_answers(tf.shape(own)[0], self._top_k)
        return self._answers(*(tf.where(own < 0, *both) for both in zip(nothing, found, strict=True)))

    def _similar_queries(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        count = min(self._top_k, len(self.query_ids))
        directions = tf.math.l2_normalize(self._embed(request, self._history_tokens(request)), axis=1)
        rows, scores = self.query_search.search(directions, tf.constant(count))
        return {
            "query_ids": tf.ensure_shape(self.query_ids.of(rows), [None, count]),
            "scores": tf.ensure_shape(scores, [None, count]),
        }

    def _score(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        rows = self.candidate_ids.rows(request[CANDIDATE_IDS])
        return {"scores": score_rows(self.search, self._embed(request, self._history_tokens(request)), rows)}

    def _embed_query(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._embedding(self._embed(request, self._history_tokens(request)))

    def _embed_candidate(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._embedding(self.towers.embed_candidate(self.preprocessing.encode_candidate(dict(request))))

    def _search_excluding(self, queries: tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return search_excluding(self.search, queries, excluded, count=self._top_k, candidates=len(self.candidate_ids))

    def _answers(self, rows: tf.Tensor, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        shape = [None, self._top_k]
        return {
            CANDIDATE_IDS: tf.ensure_shape(self.candidate_ids.of(rows), shape),
            "scores": tf.ensure_shape(scores, shape),
        }

    def _embedding(self, embedding: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": tf.ensure_shape(embedding, [None, self.search.dimension])}

    def _history_tokens(self, request: Mapping[str, tf.Tensor]) -> tf.Tensor | None:
        """Tokens of the history, int32 `[batch, any]`; None if the query tower has no history."""
        if self._features.history is None:
            return None
        history = request[HISTORY]
        return tf.reshape(self.preprocessing.candidate_tokens(tf.reshape(history, [-1])), tf.shape(history))

    def _seen(self, request: Mapping[str, tf.Tensor], tokens: tf.Tensor | None) -> tf.Tensor:
        """Candidate rows of the history, int32 `[batch, any]`; -1 for padding and unknown ids."""
        if tokens is None:
            return self.candidate_ids.rows(request[HISTORY])
        return self.token_rows.rows(request[HISTORY], tokens)

    def _embed(self, request: Mapping[str, tf.Tensor], tokens: tf.Tensor | None) -> tf.Tensor:
        encoded: dict[str, tf.Tensor] = {}
        if self._features.query:
            encoded |= self.preprocessing.encode_query(self._raw(request, "query"))
        if self._features.context:
            encoded |= self.preprocessing.encode_context(self._raw(request, "context"))
        if self._features.history is not None:
            encoded[HISTORY] = packed_history(tokens, self._features.history.max_length)
        return self.towers.embed_query(encoded)

    def _raw(self, request: Mapping[str, tf.Tensor], side: Side) -> dict[str, tf.Tensor]:
        return {name: request[name] for name in self._features.of(side)}


def export(module: ServingModule, directory: Path) -> None:
    """Saves `module` as a self-contained SavedModel with all its signatures; creates the directory."""
    tf.saved_model.save(
        module,
        str(directory),
        signatures=module.functions,
        options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
    )
