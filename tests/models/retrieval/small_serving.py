"""A small serving module, requests to it and the scores that it should give, for tests."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from models.preprocessing.preprocessing import packed_history
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch, Search
from models.retrieval.scann_index import ScannSearch
from models.retrieval.serving import ServingModule, SignatureFamily
from models.spec.features import FeatureSpec
from models.spec.tree_settings import TreeSettings

LOWEST = np.finfo(np.float32).min
CANDIDATES, DIM, K = 40, 4, 6
IN_VOCABULARY = 30  # number of candidates with their own token
FEATURES = FeatureSpec.model_validate(
    {
        "query": {"age": {"type": "numeric"}},
        "context": {"device": {"type": "categorical"}},
        "history": {"max_length": 3},
    }
)
IDS = np.array([f"item {number} é" for number in range(CANDIDATES)], object)
EMBEDDINGS = np.random.default_rng(0).normal(size=(CANDIDATES, DIM)).astype(np.float32)


class Preprocessing(tf.Module):
    """Has the interface that Transform saves. A device is encoded by its length; the last candidates share a token."""

    @tf.function(input_signature=[{"age": tf.TensorSpec([None])}])
    def encode_query(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        age = raw["age"]
        return {"age": tf.where(tf.math.is_nan(age), 0.0, age)[:, None]}

    @tf.function(input_signature=[{"device": tf.TensorSpec([None], tf.string)}])
    def encode_context(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"device": tf.strings.length(raw["device"])[:, None]}

    @tf.function(input_signature=[{"candidate_id": tf.TensorSpec([None], tf.string)}])
    def encode_candidate(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"candidate_id": tf.strings.length(raw["candidate_id"])[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def candidate_tokens(self, ids: tf.Tensor) -> tf.Tensor:
        number = tf.strings.regex_replace(ids, "^item ([0-9]+) é$", "\\1")
        known = tf.strings.regex_full_match(number, "[0-9]+")
        row = tf.strings.to_number(tf.where(known, number, "0"), tf.int32)
        token = tf.where(known & (row < IN_VOCABULARY), 2 + row, 1)
        return tf.where(ids == "", 0, token)


def encode_history(preprocessing: Preprocessing, ids: tf.Tensor) -> tf.Tensor:
    tokens = tf.reshape(preprocessing.candidate_tokens(tf.reshape(ids, [-1])), tf.shape(ids))
    return packed_history(tokens, 3)


class Towers(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(np.random.default_rng(1).normal(size=(5, DIM)).astype(np.float32))

    @tf.function(
        input_signature=[
            {
                "age": tf.TensorSpec([None, 1]),
                "device": tf.TensorSpec([None, 1], tf.int32),
                "history": tf.TensorSpec([None, 3], tf.int32),
            }
        ]
    )
    def embed_query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        parts = [columns["age"], tf.cast(columns["device"], tf.float32), tf.cast(columns["history"], tf.float32)]
        return tf.concat(parts, axis=1) @ self.weights

    @tf.function(input_signature=[{"candidate_id": tf.TensorSpec([None, 1], tf.int32)}])
    def embed_candidate(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.cast(columns["candidate_id"], tf.float32) * self.weights[:1]


def module(
    parts: tuple[Any, Any],
    search: Search,
    *,
    top_k: int = K,
    remove_seen: bool = True,
    families: Sequence[SignatureFamily] = (),
) -> ServingModule:
    return ServingModule(
        preprocessing=parts[0],
        towers=parts[1],
        features=FEATURES,
        candidate_ids=CandidateIds(IDS),
        search=search,
        top_k=top_k,
        remove_seen=remove_seen,
        families=families,
    )


TREE = TreeSettings(6, 2, 0.2, 2, 20, 1000, K)
SEARCHES: dict[str, Callable[[], Search]] = {
    "exact": lambda: ExactSearch(EMBEDDINGS),
    "brute_force": lambda: ScannSearch(ExactSearch(EMBEDDINGS), None),
    "tree": lambda: ScannSearch(ExactSearch(EMBEDDINGS), TREE),
}


def request(histories: list[list[str]], ages: list[float] | None = None) -> dict[str, tf.Tensor]:
    batch, width = len(histories), max(map(len, histories), default=0)
    padded = np.array([row + [""] * (width - len(row)) for row in histories], object).reshape(batch, width)
    return {
        "age": tf.constant(ages or [float(row) for row in range(batch)], tf.float32, [batch]),
        "device": tf.constant(["tv"] * batch, tf.string, [batch]),
        "history": tf.constant(padded, tf.string),
    }


def answer(serving: ServingModule, inputs: dict[str, tf.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    outputs = serving.functions["serving_default"](inputs)
    return outputs["candidate_ids"].numpy(), outputs["scores"].numpy()


def ask(serving: ServingModule, signature: str, inputs: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in serving.functions[signature](inputs).items()}


def id_lists(rows: list[list[str]]) -> tf.Tensor:
    width = max(map(len, rows), default=0)
    padded = np.array([row + [""] * (width - len(row)) for row in rows], object).reshape(len(rows), width)
    return tf.constant(padded, tf.string)


def expected_scores(parts: tuple[Any, Any], inputs: dict[str, tf.Tensor]) -> np.ndarray:
    encoded = parts[0].encode_query({"age": inputs["age"]})
    encoded |= parts[0].encode_context({"device": inputs["device"]})
    encoded |= {"history": encode_history(parts[0], inputs["history"])}
    return parts[1].embed_query(encoded).numpy() @ EMBEDDINGS.T
