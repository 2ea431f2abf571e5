"""The signatures that every serving model has, and their inputs."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import tensorflow as tf

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

Specs: TypeAlias = Mapping[str, tf.TensorSpec]
"""Inputs of a signature by name."""
Tensors: TypeAlias = Mapping[str, tf.Tensor]
"""A batch of requests: the value of each input by name."""
Answering: TypeAlias = Callable[[Tensors], dict[str, tf.Tensor]]
"""Answers a batch of requests: the value of each output by name."""

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


def signature_inputs(features: FeatureSpec, *, remove_seen: bool, queries: bool) -> dict[str, Specs]:
    """Inputs of every signature: signature name → input name → shape and type.

    Args:
        features: see `raw_inputs`.
        remove_seen: see `raw_inputs`.
        queries: whether stored queries are indexed.
    """
    asked, query = (raw_inputs(features, remove_seen=needs_history) for needs_history in (remove_seen, False))
    return ({SIMILAR_QUERIES: query} if queries else {}) | {
        SIGNATURE: asked,
        "recommend_filtered": asked | {name: id_lists(name) for name in (EXCLUDE_IDS, ALLOW_IDS)},
        "similar_candidates": {CANDIDATE_ID: tf.TensorSpec([None], tf.string, name=CANDIDATE_ID)},
        "score": query | {CANDIDATE_IDS: id_lists(CANDIDATE_IDS)},
        "embed_query": query,
        "embed_candidate": {name: _raw_input(name, feature) for name, feature in features.of("candidate").items()},
    }


def id_lists(name: str) -> tf.TensorSpec:
    """Input of lists of ids, padded with ""."""
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
