"""The served model of a large catalogue: what it costs to save, to load and to ask, in processes of its own.

`python -m benchmarks.retrieval_path save DIRECTORY CANDIDATES` exports a model with random towers on clustered
vectors; `… ask DIRECTORY` loads it and times its signature, raw features in and ids out, beside ScaNN's operation and
the query tower alone; `… load DIRECTORY` only loads it and asks once.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.retrieval_data import DIMENSION, clustered
from models.preprocessing.feature_preprocessing import FeatureStatistics
from models.preprocessing.preprocessing import Preprocessing
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch
from models.retrieval.scann_index import ScannSearch
from models.retrieval.serving import ServingModule, export
from models.spec.features import FeatureSpec, Side
from models.spec.tree_settings import TreeSettings

_HISTORY = 50
_TOP_K = 100
_CALLS = 200
_FEATURES = FeatureSpec.model_validate(
    {
        "query": {"country": {"type": "categorical"}, "age": {"type": "numeric"}},
        "history": {"max_length": _HISTORY},
    }
)
_ENCODED = {
    "country": tf.TensorSpec([None, 1], tf.int32),
    "age": tf.TensorSpec([None, 1], tf.float32),
    "history": tf.TensorSpec([None, _HISTORY], tf.int32),
}


class Towers(tf.Module):
    """A mean over the history's vectors and two dense layers; candidates are rows of the table."""

    def __init__(self, vectors: tf.Variable) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        self._items = vectors
        self._first = tf.Variable(0.1 * random.standard_normal((DIMENSION + 1, 256), np.float32))
        self._second = tf.Variable(0.1 * random.standard_normal((256, DIMENSION), np.float32))
        self.embed_query = tf.function(
            self._query,
            input_signature=[_ENCODED],
        )
        self.embed_candidate = tf.function(
            lambda columns: tf.gather(self._items.read_value(), columns["candidate_id"][:, 0]),
            input_signature=[{"candidate_id": tf.TensorSpec([None, 1], tf.int32)}],
        )

    def _query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        known = tf.cast(columns["history"] > 0, tf.float32)[:, :, None]
        # Read first: what has been gathered from a variable once is copied as a whole whenever ScaNN reads it.
        items = tf.gather(self._items.read_value(), tf.maximum(columns["history"] - 2, 0))
        taste = tf.reduce_sum(items * known, axis=1)
        hidden = tf.nn.relu(tf.concat([taste, columns["age"]], axis=1) @ self._first)
        return tf.math.l2_normalize(tf.math.l2_normalize(taste, axis=1) + 0.1 * hidden @ self._second, axis=1)


def save(directory: Path, candidates: int) -> None:
    """Builds a tree without choosing among settings, and exports the model that serves it."""
    ids = [f"item-{row:07d}" for row in range(candidates)]
    statistics: dict[Side, dict[str, FeatureStatistics]] = {
        "query": {"country": FeatureStatistics(vocabulary=["nl", "de"]), "age": FeatureStatistics(mean=40, std=10)},
        "context": {},
        "candidate": {"candidate_id": FeatureStatistics(vocabulary=ids)},
    }
    Preprocessing(_FEATURES, statistics, assets=directory / "assets").save(directory / "preprocessing")
    exact = ExactSearch(clustered(candidates, clusters=round(math.sqrt(candidates)), seed=0))
    leaves = round(math.sqrt(candidates))
    settings = TreeSettings(
        leaves=leaves,
        leaves_to_search=math.ceil(0.08 * leaves),
        anisotropic_threshold=0.2,
        dimensions_per_block=1,
        reorder=3 * _TOP_K,
        training_sample=100_000,
        answers=_TOP_K,
    )
    began = time.perf_counter()
    search = ScannSearch(exact, settings)
    built = time.perf_counter()
    module = ServingModule(
        preprocessing=tf.saved_model.load(str(directory / "preprocessing")),
        towers=Towers(exact.embeddings),
        features=_FEATURES,
        candidate_ids=CandidateIds(np.array(ids)),
        search=search,
        top_k=_TOP_K,
        remove_seen=True,
    )
    export(module, directory / "scann")
    facts = {
        "build_seconds": built - began,
        "export_seconds": time.perf_counter() - built,
        "disk_mib": sum(path.stat().st_size for path in (directory / "scann").rglob("*") if path.is_file()) / (1 << 20),
        "leaves_to_search": settings.leaves_to_search,
        "reorder": settings.reorder,
    }
    (directory / "saved.json").write_text(json.dumps(facts))


def load(directory: Path) -> Any:
    """The loaded model, after it has answered once."""
    import scann  # noqa: F401  # its operation must be known before the model is

    model = tf.saved_model.load(str(directory / "scann"))
    began = time.perf_counter()
    model.signatures["serving_default"](**_requests(np.random.default_rng(0), 1, _candidates(model)))
    print(json.dumps({"first_answer_seconds": time.perf_counter() - began}))
    return model


def ask(directory: Path) -> None:
    """Writes the median latency of the whole signature and of its two parts that are unavoidable."""
    model, saved = load(directory), json.loads((directory / "saved.json").read_text())
    from scann.scann_ops.py import scann_ops

    @tf.function(input_signature=[_ENCODED])
    def floor(encoded: dict[str, tf.Tensor]) -> tf.Tensor:
        searcher = scann_ops.searcher_from_module(model.search.state)
        query = model.towers.embed_query(encoded)
        return searcher.search_batched_parallel(query, _TOP_K, saved["reorder"], saved["leaves_to_search"])

    serve, candidates = model.signatures["serving_default"], _candidates(model)
    rows = []
    for batch in (1, 64):
        random = np.random.default_rng(batch)
        requests = [_requests(random, batch, candidates) for _ in range(20)]
        encoded = [
            model.preprocessing.encode_query({"country": request["country"], "age": request["age"]})
            | {"history": model.preprocessing.encode_history(request["history"])}
            for request in requests
        ]
        signature, parts = _interleaved(
            [lambda i: serve(**requests[i % 20]), lambda i: floor(encoded[i % 20])]  # noqa: B023  # called at once
        )
        rows.append({"batch": batch, "signature_ms": signature, "scann_and_tower_ms": parts})
    (directory / "asked.json").write_text(json.dumps(rows))


def _candidates(model: Any) -> int:
    return int(model.candidate_ids.order.shape[0])


def _interleaved(functions: list[Callable[[int], Any]]) -> list[float]:
    """Median milliseconds of each, called in turn, so that both meet the same disturbances."""
    seconds: list[list[float]] = [[] for _ in functions]
    for call in range(_CALLS + 20):
        for function, times in zip(functions, seconds, strict=True):
            began = time.perf_counter()
            function(call)
            times.append(time.perf_counter() - began)
    return [1000 * float(np.median(times[20:])) for times in seconds]


def _requests(random: np.random.Generator, batch: int, candidates: int) -> dict[str, tf.Tensor]:
    """Raw requests with histories of up to 50 candidates, 20 on average."""
    history = np.full((batch, _HISTORY), "", object)
    for row in history:
        events = min(_HISTORY, random.poisson(20))
        row[:events] = [f"item-{item:07d}" for item in random.integers(0, candidates, events)]
    return {
        "country": tf.constant(random.choice(["nl", "de", "fr"], batch)),
        "age": tf.constant(random.uniform(18, 80, batch).astype(np.float32)),
        "history": tf.constant(history),
    }


if __name__ == "__main__":
    if sys.argv[1] == "save":
        save(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        {"ask": ask, "load": load}[sys.argv[1]](Path(sys.argv[2]))
