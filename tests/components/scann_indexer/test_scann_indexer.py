import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from components.scann_indexer import IndexConfig, RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from dataplane.artifacts.transform_graph import read_spec
from dataplane.dataset.sequences import read_dataset
from dataplane.errors import DataError, RefusedError
from serving.model.descriptions import read_description, read_identity
from tests.components.tiny_world import RandomTowers, World, make_world
from tests.contexts import in_process

SMALL_TREE = IndexConfig(search="tree", recall_target=RecallTarget(recall=0.9), training_sample=1000, tuning_budget=600)


def index(world: World, path: Path, **params: Any) -> tuple[ServingModel, dict[str, Any]]:
    serving_model = ServingModel(path)
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    indexer = ScannIndexer(ScannIndexerParams(**params))
    facts = indexer.execute(inputs, ScannIndexer.Outputs(serving_model), in_process(scratch=path / ".scratch"))
    return serving_model, dict(facts)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), candidates=300)


@pytest.fixture(scope="module")
def serving_model(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    return index(world, tmp_path_factory.mktemp("serving"), top_k=20, index=SMALL_TREE)[0]


def test_the_report_describes_the_index_and_its_recall(serving_model: ServingModel) -> None:
    report = serving_model.read_json("index.json")
    assert (report["candidates"], report["dimension"], report["search"], report["top_k"]) == (300, 8, "tree", 20)
    assert set(report["recall"]) == {"recall@10", "recall@20"}
    assert report["target"]["k"] == 20
    assert 0.9 <= report["target"]["reached"] == pytest.approx(report["recall"]["recall@20"])
    tuning = report["tuning"]
    assert len(tuning["builds"]) == 2
    assert report["settings"] in [build["settings"] for build in tuning["builds"]]
    searched = [point["leaves_to_search"] for point in tuning["curve"]]
    assert report["settings"]["leaves_to_search"] in searched
    assert searched == sorted(searched)
    assert [point["cost_us"] for point in tuning["curve"]] == sorted(point["cost_us"] for point in tuning["curve"])
    assert all(point["latency_ms_batch_1"] > 0 for point in tuning["curve"])
    assert report["bytes"]["exact"] > 300 * 8 * 4


def test_both_models_share_one_identity(serving_model: ServingModel) -> None:
    exact, scann = serving_model.path / "exact", serving_model.path / "scann"
    assert read_identity(exact) == read_identity(scann)
    assert (read_description(exact).imports, read_description(scann).imports) == ((), ("scann",))


def test_indexing_again_gives_the_same_identity_and_other_settings_another(
    world: World, serving_model: ServingModel, tmp_path: Path
) -> None:
    identity = read_identity(serving_model.path / "exact")
    again, _ = index(world, tmp_path / "again", top_k=20, index=SMALL_TREE)
    assert read_identity(again.path / "exact") == identity
    other, _ = index(world, tmp_path / "other", top_k=19, index=SMALL_TREE)
    assert read_identity(other.path / "exact") != identity


def test_expected_answers_are_the_towers_scores_without_the_history(world: World, serving_model: ServingModel) -> None:
    dataset = read_dataset(world.transformed_examples)
    towers = tf.saved_model.load(str(world.model.path / "towers"))
    candidates = towers.embed_candidate({"candidate_id": dataset.candidates.columns["candidate_id"]}).numpy()
    expected = serving_model.read_json("expected_answers.json")
    for row in range(5):
        start, stop = dataset.events.offsets[row : row + 2]
        seen = np.asarray(dataset.events.candidate[start:stop])
        history = np.zeros((1, 4), np.int32)
        latest = dataset.candidates.columns["candidate_id"][seen[::-1][:4], 0]
        history[0, : len(latest)] = latest
        columns = {name: values[row : row + 1] for name, values in dataset.queries.columns.items()}
        query = towers.embed_query(columns | {"device": np.zeros((1, 1), np.int32), "history": history}).numpy()
        scores = (query @ candidates.T)[0]
        scores[seen] = -np.inf
        best = np.argsort(-scores)[:20]
        assert expected[row]["query_id"] == dataset.queries.ids[row].as_py()
        assert expected[row]["candidate_ids"] == [f"c{place:05d}" for place in best]
        assert np.allclose(expected[row]["scores"], scores[best], rtol=1e-5)


def test_small_catalogues_get_brute_force(world: World, tmp_path: Path) -> None:
    serving_model, facts = index(world, tmp_path / "serving", top_k=10_000)
    assert facts["search"] == "brute_force"
    assert facts["recall"] == {"recall@10": 1.0, "recall@100": 1.0, "recall@300": 1.0}
    assert serving_model.read_json("index.json")["top_k"] == 300


@pytest.mark.parametrize("candidates", [1, 15])
def test_tiny_catalogues_are_indexed(candidates: int, tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", candidates=candidates)
    serving_model, facts = index(world, tmp_path / "serving", index=SMALL_TREE)
    assert facts["recall"][f"recall@{min(10, candidates)}"] == 1.0
    assert serving_model.read_json("index.json")["top_k"] == candidates


def test_an_index_below_the_target_is_refused_with_its_recall(world: World, tmp_path: Path) -> None:
    narrow = SMALL_TREE.model_copy(update={"leaves": 17, "leaves_to_search": 1, "reorder": 20})
    with pytest.raises(RefusedError, match=r"recall@20 of 0\.\d+ against exact search, less than index.recall_target"):
        index(world, tmp_path / "serving", top_k=20, index=narrow)
    report = json.loads((tmp_path / "serving" / "index.json").read_text())
    assert report["target"]["reached"] < 0.9
    assert (report["settings"]["leaves"], report["settings"]["leaves_to_search"], report["settings"]["reorder"]) == (
        17,
        1,
        20,
    )
    assert not (tmp_path / "serving" / "scann").exists()


def test_a_nan_embedding_is_refused(world: World, tmp_path: Path) -> None:
    class Diverged(tf.Module):
        @tf.function(input_signature=[{"candidate_id": tf.TensorSpec([None, 1], tf.int32)}])
        def embed_candidate(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
            tokens = tf.cast(columns["candidate_id"], tf.float32)
            return tf.where(tokens == 5.0, float("nan"), tokens) * tf.ones([1, 8])

    model = replace(world.model, path=tmp_path / "model")
    tf.saved_model.save(Diverged(), str(model.path / "towers"))
    with pytest.raises(
        DataError, match=r"1 of 300 candidate embeddings hold NaN .* first is that of candidate 'c00003'"
    ):
        index(replace(world, model=model), tmp_path / "serving")


@pytest.mark.parametrize("side", ["candidate", "query"])
def test_a_tower_of_equal_embeddings_is_refused(world: World, side: str, tmp_path: Path) -> None:
    """A model after a final fit has not been evaluated, so the indexer must check its embeddings."""

    class Dead(RandomTowers):
        def _candidate(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
            return super()._candidate(columns) * (0.0 if side == "candidate" else 1.0)

        def _query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
            return super()._query(columns) * (0.0 if side == "query" else 1.0)

    preprocessing: Any = SimpleNamespace(spec=read_spec(world.transform_graph))
    model = replace(world.model, path=tmp_path / "model")
    tf.saved_model.save(Dead(preprocessing, dim=8, seed=0), str(model.path / "towers"))
    with pytest.raises(RefusedError, match=f"not indexed: all [0-9]+ {side} embeddings are zero"):
        index(replace(world, model=model), tmp_path / "serving")


def test_the_models_need_no_file_of_the_pipeline(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", candidates=30)
    index(world, tmp_path / "serving", top_k=5)
    shutil.rmtree(tmp_path / "world")
    moved = (tmp_path / "serving").rename(tmp_path / "moved")
    serve = tf.saved_model.load(str(moved / "exact")).signatures["serving_default"]
    values = {"string": "c00001", "float32": 1.0, "int64": 5}
    inputs = json.loads((moved / "exact" / "assets.extra" / "model.json").read_text())["signatures"]["serving_default"][
        "inputs"
    ]
    request = {
        name: tf.fill([1 if size is None else size for size in spec["shape"]], values[spec["dtype"]])
        for name, spec in inputs.items()
    }
    request = {name: tf.cast(value, inputs[name]["dtype"]) for name, value in request.items()}
    assert serve(**request)["candidate_ids"].shape == (1, 5)


def test_every_signature_has_a_warm_up_request_that_it_answers(serving_model: ServingModel) -> None:
    for name in ("exact", "scann"):
        model = tf.saved_model.load(str(serving_model.path / name))
        records = tf.data.TFRecordDataset(
            str(serving_model.path / name / "assets.extra" / "tf_serving_warmup_requests")
        )
        requests = [PredictionLog.FromString(record.numpy()).predict_log.request for record in records]
        assert [request.model_spec.signature_name for request in requests] == list(model.signatures)
        for request in requests:
            inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
            outputs = model.signatures[request.model_spec.signature_name](**inputs)
            assert all(len(value) == 1 for value in outputs.values())


def test_more_leaves_searched_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="'leaves_to_search' \\(20\\) is more than 'leaves' \\(10\\)"):
        IndexConfig(leaves=10, leaves_to_search=20)
