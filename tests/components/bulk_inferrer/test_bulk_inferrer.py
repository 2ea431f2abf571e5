from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.bulk_inferrer import BulkInferrer, BulkInferrerParams
from components.scann_indexer import IndexConfig, RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import Recommendations, ServingModel
from dataplane.artifacts.transform_graph import read_spec
from dataplane.dataset.sequences import read_dataset
from dataplane.errors import DataError
from serving.model.ask import ask_batches
from serving.model.descriptions import read_description
from serving.model.requests import complete_request, stored_requests
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), candidates=30)


@pytest.fixture(scope="module")
def serving_model(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    serving_model = ServingModel(tmp_path_factory.mktemp("serving"))
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    indexer = ScannIndexer(ScannIndexerParams(top_k=30))
    indexer.execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    return serving_model


def infer(world: World, serving_model: ServingModel, path: Path, **params: object) -> list[dict[str, Any]]:
    inputs = BulkInferrer.Inputs(world.transformed_examples, world.transform_graph, world.model, serving_model)
    outputs = BulkInferrer.Outputs(Recommendations(path))
    BulkInferrer(BulkInferrerParams(**params)).execute(inputs, outputs, in_process())
    rows: list[dict[str, Any]] = pq.read_table(path / "recommendations").to_pylist()
    return rows


def test_every_query_gets_the_expected_answers(world: World, serving_model: ServingModel, tmp_path: Path) -> None:
    rows = infer(world, serving_model, tmp_path, top_k=30)
    assert [row["query_id"] for row in rows] == read_dataset(world.transformed_examples).queries.ids.to_pylist()
    for row, expected in zip(rows, serving_model.read_json("expected_answers.json"), strict=True):
        assert row["candidate_ids"] == expected["candidate_ids"]
        assert np.allclose(row["scores"], expected["scores"], rtol=1e-5)


def test_the_context_of_the_day_counts_for_every_query(
    world: World, serving_model: ServingModel, tmp_path: Path
) -> None:
    dataset, features = read_dataset(world.transformed_examples), read_spec(world.transform_graph).features
    requests = stored_requests(world.examples, dataset, features, dataset.queries.ids.to_pylist())
    inputs = read_description(serving_model.path / "exact").inputs()
    batch = [complete_request(inputs, {**request, "device": "tv"}) for request in requests]
    served = ask_batches(serving_model.path / "exact", [batch], timeout=120).answers[0]
    rows = infer(world, serving_model, tmp_path, top_k=30, context={"device": "tv"})
    for row, ids, scores in zip(rows, served.candidate_ids, served.scores, strict=True):
        assert row["candidate_ids"] == [name for name in ids if name]
        assert np.allclose(row["scores"], scores[: len(row["scores"])], rtol=1e-4)
    assert rows != infer(world, serving_model, tmp_path / "none", top_k=30)


def test_no_query_is_recommended_what_it_has_seen(world: World, serving_model: ServingModel, tmp_path: Path) -> None:
    events = read_dataset(world.transformed_examples).events
    for row, result in enumerate(infer(world, serving_model, tmp_path, top_k=1000)):
        start, stop = events.offsets[row : row + 2]
        seen = {f"c{candidate:05d}" for candidate in events.candidate[start:stop]}
        assert set(result["candidate_ids"]) == {f"c{number:05d}" for number in range(30)} - seen
        assert len(result["candidate_ids"]) == len(result["scores"]) == 30 - len(seen)


def test_seen_candidates_stay_where_consumption_repeats(
    world: World, serving_model: ServingModel, tmp_path: Path
) -> None:
    rows = infer(world, serving_model, tmp_path, top_k=1000, remove_seen=False)
    assert all(len(row["candidate_ids"]) == 30 for row in rows)


def test_slices_do_not_change_the_answers(
    world: World, serving_model: ServingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = infer(world, serving_model, tmp_path / "whole", top_k=4)
    monkeypatch.setattr("components.bulk_inferrer.executor._SLICE", 16)
    parts = infer(world, serving_model, tmp_path / "parts", top_k=4)
    assert [row["candidate_ids"] for row in parts] == [row["candidate_ids"] for row in whole]
    scores = ([row["scores"] for row in rows] for rows in (parts, whole))
    assert all(np.allclose(part, one, rtol=1e-5) for part, one in zip(*scores, strict=True))
    names = sorted(file.name for file in (tmp_path / "parts" / "recommendations").iterdir())
    assert names == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


def test_a_serving_model_of_another_catalogue_is_refused(serving_model: ServingModel, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other", candidates=20)
    with pytest.raises(DataError, match="the serving model has 30 candidates and the data 20; index again"):
        infer(other, serving_model, tmp_path / "out")


@pytest.mark.parametrize("remove_seen", [True, False])
def test_the_index_answers_at_its_recall_without_what_was_seen(tmp_path: Path, remove_seen: bool) -> None:
    world = make_world(tmp_path / "world", candidates=200)
    tree = IndexConfig(search="tree", recall_target=RecallTarget(recall=0.9), tuning_budget=400)
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    serving_model = ServingModel(tmp_path / "serving")
    ScannIndexer(ScannIndexerParams(top_k=30, index=tree)).execute(
        inputs, ScannIndexer.Outputs(serving_model), in_process()
    )
    asked: dict[str, object] = {"top_k": 30, "remove_seen": remove_seen}
    exact = infer(world, serving_model, tmp_path / "exact", search="exact", **asked)
    found = infer(world, serving_model, tmp_path / "index", **asked)
    events = read_dataset(world.transformed_examples).events
    hits = 0
    for row, (wanted, given) in enumerate(zip(exact, found, strict=True)):
        seen = {f"c{candidate:05d}" for candidate in events.candidate[slice(*events.offsets[row : row + 2])]}
        assert given["query_id"] == wanted["query_id"]
        assert len(given["candidate_ids"]) == len(set(given["candidate_ids"])) == 30
        assert not remove_seen or not seen & set(given["candidate_ids"])
        assert given["scores"] == sorted(given["scores"], reverse=True)
        shared = dict(zip(wanted["candidate_ids"], wanted["scores"], strict=True))
        both = [
            (score, shared[text])
            for text, score in zip(given["candidate_ids"], given["scores"], strict=True)
            if text in shared
        ]
        of_index, of_exact = np.array(both).T
        assert np.allclose(of_index, of_exact, rtol=1e-4, atol=1e-4)
        hits += len(both)
    assert 0.85 <= hits / (30 * len(exact)) < 1, "a tree of this kind should miss a few"
