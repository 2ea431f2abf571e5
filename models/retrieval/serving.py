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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from models.preprocessing.preprocessing import packed_history
from models.retrieval.candidate_ids import CandidateIds, TokenRows
from models.retrieval.filtering import no_answers, score_rows, search_among, search_excluding
from models.retrieval.index import Search
from models.retrieval.signatures import (
    ALLOW_IDS,
    CANDIDATE_IDS,
    EXCLUDE_IDS,
    SIGNATURE,
    SIMILAR_QUERIES,
    Answering,
    Specs,
    Tensors,
    signature_inputs,
)
from models.spec.features import CANDIDATE_ID, HISTORY, FeatureSpec, Side


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


class SignatureFamily(Protocol):
    """Optional signatures of a serving model that share variables; a `tf.Module`, so that they are saved."""

    @property
    def name(self) -> str:
        """Under this name the model holds the variables."""
        ...

    def inputs(self, query: Specs) -> Mapping[str, Specs]:
        """Inputs of the family's signatures: signature name → input name → shape and type.

        Args:
            query: inputs of `serving_default`.
        """
        ...

    def functions(self, serving: "ServingModule") -> Mapping[str, Answering]:
        """Functions of the signatures by name.

        Args:
            serving: the model, which embeds requests and searches.
        """
        ...


class ServingModule(tf.Module):
    """Answers a batch of raw requests with the best candidates of each.

    It contains the loaded preprocessing and towers, so its SavedModel needs no other file.

    Attributes:
        inputs: inputs of every signature: signature name → input name → shape and type.
        top_k: number of answers.
        remove_seen: whether candidates in a request's history are removed from its answers.
        functions: the signatures by name; each takes a dict of its inputs.
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
        families: Sequence[SignatureFamily] = (),
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
            families: further signatures.
        """
        super().__init__(name="serving")
        self.preprocessing = preprocessing
        self.towers = towers
        self.candidate_ids = candidate_ids
        self.search = search
        self._features = features
        self.top_k = min(top_k, len(candidate_ids))
        self.remove_seen = remove_seen
        if remove_seen and features.history is not None:
            tokens = preprocessing.candidate_tokens(candidate_ids.of(tf.range(len(candidate_ids)))).numpy()
            self.token_rows = TokenRows(candidate_ids, tokens, oov_buckets=features.candidate_id.oov_buckets)
        if queries is not None:
            self.query_ids, self.query_search = queries.ids, queries.search
        self.families = {family.name: family for family in families}
        signatures = self._own_functions()
        self.inputs: dict[str, Specs] = signature_inputs(features, remove_seen=remove_seen, queries=queries is not None)
        for family in families:
            self.inputs.update(family.inputs(self.inputs[SIGNATURE]))
            signatures.update(family.functions(self))
        vectors = tf.TensorSpec([None, search.dimension], tf.float32)
        self.find = tf.function(search.search, input_signature=[vectors, tf.TensorSpec([], tf.int32)], autograph=False)
        self.functions = {
            name: tf.function(signatures[name], input_signature=[specs], autograph=False)
            for name, specs in self.inputs.items()
        }

    def _own_functions(self) -> dict[str, Answering]:
        return {
            SIMILAR_QUERIES: self._similar_queries,
            SIGNATURE: self._serve,
            "recommend_filtered": self._recommend_filtered,
            "similar_candidates": self._similar_candidates,
            "score": self._score,
            "embed_query": self._embed_query,
            "embed_candidate": self._embed_candidate,
        }

    def _serve(self, request: Tensors) -> dict[str, tf.Tensor]:
        queries, seen = self.asked(request)
        if self.remove_seen:
            return self.answers(*self.search_excluding(queries, seen))
        return self.answers(*self.search.search(queries, tf.constant(self.top_k)))

    def asked(self, request: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings of a batch of requests to `serving_default`, and what their answers must not contain.

        Returns:
            float32 `[batch, dim]`, and candidate rows, int32 `[batch, any]`, -1 for none.
        """
        tokens = self.history_tokens(request)
        queries = self.embed(request, tokens)
        return queries, self.seen(request, tokens)

    def _recommend_filtered(self, request: Tensors) -> dict[str, tf.Tensor]:
        queries, seen = self.asked(request)
        excluded = tf.concat([self.candidate_ids.rows(request[EXCLUDE_IDS]), seen], axis=1)
        allowed = self.candidate_ids.rows(request[ALLOW_IDS])
        is_limited = tf.reduce_any(tf.not_equal(request[ALLOW_IDS], ""), axis=1)
        nothing = partial(no_answers, tf.shape(queries)[0], self.top_k)
        among = partial(search_among, self.search, queries, allowed, excluded, count=self.top_k)
        limited = tf.cond(tf.reduce_any(is_limited), among, nothing)
        free = tf.cond(tf.reduce_all(is_limited), nothing, partial(self.search_excluding, queries, excluded))
        return self.answers(*(tf.where(is_limited[:, None], *both) for both in zip(limited, free, strict=True)))

    def _similar_candidates(self, request: Tensors) -> dict[str, tf.Tensor]:
        own = self.candidate_ids.rows(request[CANDIDATE_ID])[:, None]
        found = self.search_excluding(self.search.vectors(tf.maximum(own[:, 0], 0)), own)
        nothing = no_answers(tf.shape(own)[0], self.top_k)
        return self.answers(*(tf.where(own < 0, *both) for both in zip(nothing, found, strict=True)))

    def _similar_queries(self, request: Tensors) -> dict[str, tf.Tensor]:
        count = min(self.top_k, len(self.query_ids))
        directions = tf.math.l2_normalize(self.embed(request, self.history_tokens(request)), axis=1)
        rows, scores = self.query_search.search(directions, tf.constant(count))
        return {
            "query_ids": tf.ensure_shape(self.query_ids.of(rows), [None, count]),
            "scores": tf.ensure_shape(scores, [None, count]),
        }

    def _score(self, request: Tensors) -> dict[str, tf.Tensor]:
        rows = self.candidate_ids.rows(request[CANDIDATE_IDS])
        return {"scores": score_rows(self.search, self.embed(request, self.history_tokens(request)), rows)}

    def _embed_query(self, request: Tensors) -> dict[str, tf.Tensor]:
        return self.embedding(self.embed(request, self.history_tokens(request)))

    def _embed_candidate(self, request: Tensors) -> dict[str, tf.Tensor]:
        return self.embedding(self.towers.embed_candidate(self.preprocessing.encode_candidate(dict(request))))

    def search_excluding(self, queries: tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The best candidate rows for embedded queries, and their scores; arguments as `asked` returns them."""
        return search_excluding(self.search, queries, excluded, count=self.top_k, candidates=len(self.candidate_ids))

    def answers(self, rows: tf.Tensor, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        """The outputs of a signature that ranks: ids and scores of candidate rows, both `[batch, top_k]`."""
        shape = [None, self.top_k]
        return {
            CANDIDATE_IDS: tf.ensure_shape(self.candidate_ids.of(rows), shape),
            "scores": tf.ensure_shape(scores, shape),
        }

    def embedding(self, embedding: tf.Tensor) -> dict[str, tf.Tensor]:
        """The output of a signature that embeds, `[batch, dim]`."""
        return {"embedding": tf.ensure_shape(embedding, [None, self.search.dimension])}

    def history_tokens(self, request: Tensors) -> tf.Tensor | None:
        """Tokens of the history, int32 `[batch, any]`; None if the query tower has no history."""
        if self._features.history is None:
            return None
        history = request[HISTORY]
        return tf.reshape(self.preprocessing.candidate_tokens(tf.reshape(history, [-1])), tf.shape(history))

    def seen(self, request: Tensors, tokens: tf.Tensor | None) -> tf.Tensor:
        """Candidate rows that answers must not contain, int32 `[batch, any]`; -1 for none."""
        if not self.remove_seen:
            return tf.fill([tf.shape(next(iter(request.values())))[0], 0], -1)
        if tokens is None:
            return self.candidate_ids.rows(request[HISTORY])
        return self.token_rows.rows(request[HISTORY], tokens)

    def embed(self, request: Tensors, tokens: tf.Tensor | None, *, query: Tensors | None = None) -> tf.Tensor:
        """Embeddings of requests, float32 `[batch, dim]`.

        Args:
            request: raw query and context features.
            tokens: tokens of the history, int32 `[batch, any]`; None if the query tower has no history.
            query: encoded query features; None encodes those of the request.
        """
        encoded: dict[str, tf.Tensor] = dict(query or {})
        if self._features.query and query is None:
            encoded |= self.preprocessing.encode_query(self._raw(request, "query"))
        if self._features.context:
            encoded |= self.preprocessing.encode_context(self._raw(request, "context"))
        if self._features.history is not None:
            encoded[HISTORY] = packed_history(tokens, self._features.history.max_length)
        return self.towers.embed_query(encoded)

    def _raw(self, request: Tensors, side: Side) -> dict[str, tf.Tensor]:
        return {name: request[name] for name in self._features.of(side)}


def export(module: ServingModule, directory: Path) -> None:
    """Saves `module` as a self-contained SavedModel with all its signatures; creates the directory."""
    tf.saved_model.save(
        module,
        str(directory),
        signatures=module.functions,
        options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
    )
