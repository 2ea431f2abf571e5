"""Artifacts up to a trained model, small enough to make in a second: real preprocessing, random towers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from dataplane.artifacts import Examples, Model, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.columns.hashing import hash_strings
from dataplane.columns.raw_features import raw_features
from dataplane.dataset.sequences import Dataset, Entities, Events, write_dataset
from models.preprocessing.feature_preprocessing import FeatureStatistics
from models.preprocessing.preprocessing import Preprocessing, encode, load_preprocessing
from models.saved_models.configuration import write_configuration
from models.spec.features import FeatureSpec, Side
from tests.components.tiny_towers import TRAINED

FEATURES = FeatureSpec.model_validate(
    {
        "query": {
            "country": {"type": "categorical"},
            "tags": {"type": "categorical", "max_values": 3},
            "age": {"type": "numeric"},
            "joined": {"type": "timestamp", "parts": ["hour"]},
            "taste": {"type": "vector", "dimension": 2},
        },
        "context": {"device": {"type": "categorical"}},
        "history": {"max_length": 4},
    }
)


@dataclass(frozen=True)
class World:
    examples: Examples
    transform_graph: TransformGraph
    transformed_examples: TransformedExamples
    model: Model


class RandomTowers(tf.Module):
    """Candidates have a random row; a query is the sum of its history's rows and random shares of its features.

    With each older event of the history the share of its row falls by `recency`.
    """

    def __init__(self, preprocessing: Preprocessing, *, dim: int, seed: int, recency: float = 0.0) -> None:
        super().__init__()
        self._recency = recency
        random = np.random.default_rng(seed)
        spec = preprocessing.spec
        size = spec.candidate["candidate_id"].vocabulary_size
        self._items = tf.Variable(random.normal(size=(size, dim)).astype(np.float32))
        columns = spec.query | spec.context
        self._weights = {
            name: tf.Variable(random.normal(size=(column.width, dim)).astype(np.float32))
            for name, column in columns.items()
        }
        inputs = {
            name: tf.TensorSpec([None, column.width], tf.int32 if column.kind == "tokens" else tf.float32)
            for name, column in columns.items()
        }
        if spec.features.history is not None:
            inputs["history"] = tf.TensorSpec([None, spec.features.history.max_length], tf.int32)
        tokens = {"candidate_id": tf.TensorSpec([None, 1], tf.int32)}
        self.embed_query = tf.function(self._query, input_signature=[inputs])
        self.embed_candidate = tf.function(self._candidate, input_signature=[tokens])

    def _query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        embedded = tf.add_n([tf.cast(columns[name], tf.float32) @ weight for name, weight in self._weights.items()])
        if "history" in columns:
            shares = 1 - self._recency * tf.range(columns["history"].shape[1], dtype=tf.float32)
            known = tf.cast(columns["history"] > 0, tf.float32) * shares
            embedded += tf.reduce_sum(tf.gather(self._items, columns["history"]) * known[:, :, None], axis=1)
        return embedded

    def _candidate(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.gather(self._items, columns["candidate_id"][:, 0])


def make_world(
    path: Path,
    *,
    candidates: int = 60,
    queries: int = 40,
    dim: int = 8,
    seed: int = 0,
    recency: float = 0.0,
    features: FeatureSpec = FEATURES,
) -> World:
    random = np.random.default_rng(seed)
    candidate_ids = [f"c{number:05d}" for number in range(candidates)]
    query_ids = pa.array([f"q{number}" for number in range(queries)], pa.large_string())
    query_ids = query_ids.take(pa.array(np.argsort(hash_strings(query_ids))))
    graph, preprocessing = _save_preprocessing(path / "graph", features, candidate_ids)
    examples, table = _write_queries(path / "examples", query_ids, random)
    encoder = load_preprocessing(graph.path / "saved_model")
    raw = raw_features(features.of("query"), table)
    offsets = np.concatenate([[0], np.cumsum(random.integers(0, min(9, candidates), queries))]).astype(np.int64)
    events = int(offsets[-1])
    device = {"device": np.array(random.choice(["phone", "tv"], max(events, 1)), object)} if features.context else {}
    dataset = Dataset(
        events=Events(
            offsets=offsets,
            candidate=random.integers(0, candidates, events).astype(np.int32),
            split=random.integers(0, 3, events).astype(np.int8),
            context={name: values[:events] for name, values in encode(encoder, "context", device).items()},
        ),
        queries=Entities(query_ids, encode(encoder, "query", raw) if raw else {}),
        candidates=Entities(
            pa.array(candidate_ids, pa.large_string()),
            encode(encoder, "candidate", {"candidate_id": np.array(candidate_ids, object)}),
        ),
        train_count=np.ones(candidates, np.int64),
        metadata=DatasetMetadata(ordered=True),
    )
    transformed = TransformedExamples(path / "transformed")
    write_dataset(transformed, dataset)
    tf.saved_model.save(
        RandomTowers(preprocessing, dim=dim, seed=seed, recency=recency), str(path / "model" / "towers")
    )
    write_configuration(path / "model" / "towers", {})
    model = Model(path / "model")
    TRAINED.write(model)
    return World(examples, graph, transformed, model)


def _save_preprocessing(
    path: Path, features: FeatureSpec, candidate_ids: list[str]
) -> tuple[TransformGraph, Preprocessing]:
    path.mkdir(parents=True)
    statistics: dict[Side, dict[str, FeatureStatistics]] = {
        "query": {
            "country": FeatureStatistics(vocabulary=["nl", "de"]),
            "tags": FeatureStatistics(vocabulary=["a", "b", "c"]),
            "age": FeatureStatistics(mean=40, std=10),
        },
        "context": {"device": FeatureStatistics(vocabulary=["phone", "tv"])},
        "candidate": {"candidate_id": FeatureStatistics(vocabulary=candidate_ids)},
    }
    preprocessing = Preprocessing(features, statistics, assets=path / "assets")
    preprocessing.save(path / "saved_model")
    graph = TransformGraph(path)
    graph.write_json("spec.json", preprocessing.spec.model_dump(mode="json", exclude_unset=True))
    return graph, preprocessing


def _write_queries(path: Path, query_ids: pa.Array, random: np.random.Generator) -> tuple[Examples, pa.Table]:
    """The query table in another order than the queries, without the last query."""
    count = len(query_ids)
    known = random.random(count) < 0.9
    table = pa.table(
        {
            "query_id": query_ids.cast(pa.string()),
            "country": pa.array(random.choice(["nl", "de", "fr"], count), pa.string(), mask=~known),
            "tags": pa.array([["a", "c"][: row % 3] for row in range(count)], pa.list_(pa.string())),
            "age": pa.array(random.integers(18, 80, count), mask=~known),
            "joined": pa.array(random.integers(0, 10**15, count), pa.timestamp("us", "UTC"), mask=~known),
            "taste": pa.array(
                [[1.0, row / count] if row % 4 else None for row in range(count)], pa.list_(pa.float64())
            ),
        }
    )
    (path / "queries").mkdir(parents=True)
    stored = table.slice(0, count - 1)
    pq.write_table(stored.take(pa.array(np.arange(len(stored))[::-1])), path / "queries" / "part-0.parquet")
    if count:
        missing = pa.table(
            {name: table[name] if name == "query_id" else pa.nulls(count) for name in table.column_names}
        )
        table = pa.concat_tables([stored, missing.slice(count - 1)], promote_options="permissive")
    return Examples(path), table
