"""The small world's features, a model of it, and an evaluation of that model."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataplane.artifacts import Model, TransformGraph
from models.spec.features import EncodedColumn, EncodedSpec
from tests.components.evaluator.small_world import CONFIG, FEATURES, C, D, Run, towers


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> TransformGraph:
    graph = TransformGraph(tmp_path_factory.mktemp("graph"))

    def tokens(feature: str, width: int = 1) -> EncodedColumn:
        return EncodedColumn(feature=feature, kind="tokens", width=width, vocabulary_size=10)

    spec = EncodedSpec(
        features=FEATURES,
        query={"gender": tokens("gender"), "age": EncodedColumn(feature="age", kind="dense", width=1)},
        context={"at_weekday": tokens("at")},
        candidate={"candidate_id": tokens("candidate_id"), "genres": tokens("genres", 2)},
    )
    graph.write_json("spec.json", spec.model_dump(mode="json", exclude_unset=True))
    (graph.path / "vocabularies").mkdir()
    for name, values in {"query.gender": ["F", "M"], "candidate.genres": ["Comedy", "Drama"]}.items():
        table = pa.table({"value": values, "count": pa.array(range(len(values)), pa.int64())})
        pq.write_table(table, graph.path / "vocabularies" / f"{name}.parquet")
    return graph


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    weights = np.zeros((8, 8))
    weights[C + 2, D + 2] = 1
    return towers(tmp_path_factory.mktemp("model"), weights)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, graph: TransformGraph, model: Model) -> Run:
    return Run(tmp_path_factory.mktemp("run"), graph, model, evaluation=CONFIG)
