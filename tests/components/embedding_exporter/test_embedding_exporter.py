import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.embedding_exporter import EmbeddingExporter, EmbeddingExporterParams
from components.scann_indexer import ScannIndexer, ScannIndexerParams
from dataplane.artifacts import Embeddings, ServingModel
from dataplane.dataset.sequences import read_dataset
from dataplane.errors import DataError
from serving.model.descriptions import read_identity
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), candidates=30)


@pytest.fixture(scope="module")
def serving_model(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    serving_model = ServingModel(tmp_path_factory.mktemp("serving"))
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    indexer = ScannIndexer(ScannIndexerParams(top_k=30, remove_seen=False))
    indexer.execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    return serving_model


def export(world: World, serving_model: ServingModel, path: Path, **params: bool) -> dict[str, object]:
    inputs = EmbeddingExporter.Inputs(world.transformed_examples, world.transform_graph, world.model, serving_model)
    outputs = EmbeddingExporter.Outputs(Embeddings(path))
    return dict(EmbeddingExporter(EmbeddingExporterParams(**params)).execute(inputs, outputs, in_process()))


def vectors(table: pa.Table) -> np.ndarray:
    return table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)


def test_products_of_the_vectors_are_the_model_s_scores(
    world: World, serving_model: ServingModel, tmp_path: Path
) -> None:
    facts = export(world, serving_model, tmp_path)
    assert facts == {"candidates": 30, "queries": 40, "dimension": 8}
    candidates, queries = pq.read_table(tmp_path / "candidates"), pq.read_table(tmp_path / "queries")
    dataset = read_dataset(world.transformed_examples)
    assert candidates["candidate_id"].to_pylist() == dataset.candidates.ids.to_pylist()
    assert queries["query_id"].to_pylist() == dataset.queries.ids.to_pylist()
    scores = vectors(queries) @ vectors(candidates).T
    for row, expected in enumerate(serving_model.read_json("expected_answers.json")):
        places = [int(text[1:]) for text in expected["candidate_ids"]]
        assert np.allclose(scores[row, places], expected["scores"], rtol=1e-5, atol=1e-4)


def test_files_carry_the_identity_of_their_model(world: World, serving_model: ServingModel, tmp_path: Path) -> None:
    export(world, serving_model, tmp_path)
    for name in ("candidates", "queries"):
        schema = pq.read_schema(next((tmp_path / name).glob("*.parquet")))
        assert schema.field("embedding").type == pa.list_(pa.float32(), 8)
        assert json.loads(schema.metadata[b"identity"]) == read_identity(serving_model.path / "exact")
        assert schema.metadata[b"metric"] == b"dot_product"


def test_one_side_in_parts(
    world: World, serving_model: ServingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(world, serving_model, tmp_path / "whole")
    monkeypatch.setattr("components.embedding_exporter.executor._SLICE", 16)
    export(world, serving_model, tmp_path / "parts", candidates=False)
    assert not (tmp_path / "parts" / "candidates").exists()
    names = sorted(file.name for file in (tmp_path / "parts" / "queries").iterdir())
    assert names == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert pq.read_table(tmp_path / "parts" / "queries").equals(pq.read_table(tmp_path / "whole" / "queries"))
    with pytest.raises(ValueError, match="both false"):
        EmbeddingExporterParams(candidates=False, queries=False)


def test_a_serving_model_of_another_catalogue_is_refused(serving_model: ServingModel, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other", candidates=20)
    with pytest.raises(DataError, match="the serving model has 30 candidates and the data 20; index again"):
        export(other, serving_model, tmp_path / "out")
