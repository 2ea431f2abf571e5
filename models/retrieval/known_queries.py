"""Stored queries inside the serving model: a request needs only the id of a query.

- `recommend_known`: `query_id`, context inputs, newer events as `history` and `exclude_ids` → what `serving_default`
  answers to the stored features, with the stored history and then the newer events, without the excluded candidates.
  An unknown id counts as a query with missing features and no stored history
- `embed_known`: the same inputs without `exclude_ids` → `embedding`, `[batch, dim]`, and `known`, the served candidates
  among the stored events, `[batch, any]`, padded with ""
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.signatures import EXCLUDE_IDS, Answering, Specs, Tensors, id_lists
from models.spec.features import (
    HISTORY,
    MISSING_TIMESTAMP,
    QUERY_ID,
    CategoricalFeature,
    Feature,
    FeatureSpec,
    NumericFeature,
    TimestampFeature,
    VectorFeature,
)

if TYPE_CHECKING:
    from models.retrieval.serving import ServingModule

RECOMMEND_KNOWN, EMBED_KNOWN = "recommend_known", "embed_known"


@dataclass(frozen=True)
class StoredEvents:
    """The events of stored queries.

    Attributes:
        offsets: events `offsets[row]:offsets[row + 1]` belong to a query, oldest first; int64 `[queries + 1]`.
        candidates: candidate of each event, a row of `tokens` and `served`; int32 `[events]`.
        tokens: token of each candidate of the data, int32 `[candidates]`.
        served: row of each candidate of the data in the served catalogue, int32 `[candidates]`; -1 if it has none.
    """

    offsets: np.ndarray
    candidates: np.ndarray
    tokens: np.ndarray
    served: np.ndarray


class KnownQueries(tf.Module):
    """Family of signatures that look up queries by id; see the module. Both models of a pair may share one.

    Attributes:
        ids: ids of the stored queries.
        events: number of stored events.
        nbytes: bytes of features, events and ids.
    """

    def __init__(
        self,
        features: FeatureSpec,
        ids: CandidateIds,
        columns: Mapping[str, np.ndarray],
        events: StoredEvents,
    ) -> None:
        """Copies the queries into variables.

        Args:
            features: features of the model.
            ids: ids of the stored queries.
            columns: encoded query features by column, each `[queries, width]`.
            events: their events.
        """
        super().__init__(name="known_queries")
        self._features = features
        self._missing = {name: _missing(feature) for name, feature in features.query.items()}
        self.ids = ids
        self.columns = {name: tf.Variable(values, trainable=False) for name, values in columns.items()}
        self.events = len(events.candidates)
        self.offsets = tf.Variable(events.offsets, trainable=False, dtype=tf.int64, name="offsets")
        # One entry more than events and candidates, so that padding has a place to point to.
        self.candidates = tf.Variable(np.append(events.candidates, np.int32(-1)), trainable=False, name="candidates")
        self.tokens = tf.Variable(np.append(np.int32(0), events.tokens), trainable=False, name="tokens")
        self.served = tf.Variable(np.append(np.int32(-1), events.served), trainable=False, name="served")

    @property
    def nbytes(self) -> int:  # noqa: D102  an attribute of the class
        numbers = sum(variable.numpy().nbytes for variable in self.variables if variable.dtype != tf.string)
        return int(numbers + tf.reduce_sum(tf.strings.length(self.ids.ids)))

    def inputs(self, query: Specs) -> dict[str, dict[str, tf.TensorSpec]]:
        """See `SignatureFamily.inputs`."""
        context = {name: spec for name, spec in query.items() if name in {*self._features.context, HISTORY}}
        asked = {QUERY_ID: tf.TensorSpec([None], tf.string, name=QUERY_ID), **context}
        return {RECOMMEND_KNOWN: {**asked, EXCLUDE_IDS: id_lists(EXCLUDE_IDS)}, EMBED_KNOWN: asked}

    def functions(self, serving: "ServingModule") -> dict[str, Answering]:
        """See `SignatureFamily.functions`."""

        def recommend_known(request: Tensors) -> dict[str, tf.Tensor]:
            queries, seen = self.asked(serving, request)
            excluded = tf.concat([serving.candidate_ids.rows(request[EXCLUDE_IDS]), seen], axis=1)
            return serving.answers(*serving.search_excluding(queries, excluded))

        def embed_known(request: Tensors) -> dict[str, tf.Tensor]:
            events = self._events(self.ids.rows(request[QUERY_ID]))
            known = serving.candidate_ids.of(self._served(events))
            return serving.embedding(self.asked(serving, request)[0]) | {"known": known}

        return {RECOMMEND_KNOWN: recommend_known, EMBED_KNOWN: embed_known}

    def asked(self, serving: "ServingModule", request: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """As `ServingModule.asked`, for the ids of stored queries."""
        rows = self.ids.rows(request[QUERY_ID])
        events, newer = self._events(rows), serving.history_tokens(request)
        tokens = None if newer is None else tf.concat([tf.gather(self.tokens, 1 + events), newer], axis=1)
        queries = serving.embed(request, tokens, query=self._query(serving, request[QUERY_ID], rows))
        seen = serving.seen(request, newer)
        return queries, tf.concat([self._served(events), seen], axis=1) if serving.remove_seen else seen

    def _served(self, events: tf.Tensor) -> tf.Tensor:
        """Rows of the served catalogue, int32 of the shape of `events`; -1 for none."""
        return tf.gather(self.served, 1 + events)

    def _query(self, serving: "ServingModule", ids: tf.Tensor, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded features: those stored, or for an unknown id those of a query of which only the id is known."""
        if not self._features.query:
            return {}
        raw = {name: tf.repeat(value, tf.shape(ids)[0], axis=0) for name, value in self._missing.items()}
        raw |= {name: ids for name, column in self._features.columns("query").items() if column == QUERY_ID}
        is_known, places = tf.not_equal(rows, -1)[:, None], tf.maximum(rows, 0)
        unknown = serving.preprocessing.encode_query(raw)
        return {
            name: tf.where(is_known, tf.gather(self.columns[name], places), values) for name, values in unknown.items()
        }

    def _events(self, rows: tf.Tensor) -> tf.Tensor:
        """Candidates of the stored events, int32 `[batch, most events]`; -1 for padding and unknown queries.

        For example, with events 7 8 of query 0 and 9 of query 1, the rows [0, -1, 1] give [[7, 8], [-1, -1], [9, -1]].
        """
        starts = tf.gather(self.offsets, tf.maximum(rows, 0))
        stops = tf.where(rows < 0, starts, tf.gather(self.offsets, tf.maximum(rows, 0) + 1))
        longest = tf.reduce_max(tf.pad(stops - starts, [[0, 1]]))  # 0 for an empty batch
        places = starts[:, None] + tf.range(longest)[None]
        last = tf.shape(self.candidates, tf.int64)[0] - 1
        return tf.gather(self.candidates, tf.where(places < stops[:, None], places, last))


def _missing(feature: Feature) -> tf.Tensor:
    """Raw value of one row in which a feature is missing."""
    match feature:
        case NumericFeature():
            return tf.constant([float("nan")], tf.float32)
        case TimestampFeature():
            return tf.constant([MISSING_TIMESTAMP], tf.int64)
        case VectorFeature(dimension=dimension):
            return tf.fill([1, dimension], float("nan"))
        case CategoricalFeature(max_values=max_values) if max_values > 1:
            return tf.fill([1, 0], "")
        case _:
            return tf.constant([""])
