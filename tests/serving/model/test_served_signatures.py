"""The exported models against the data they were made of, computed without them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.infra_validator import InfraValidationConfig, InfraValidator
from components.scann_indexer import IndexConfig, RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import InfraBlessing, ServingModel
from dataplane.dataset.embedding import candidate_embeddings
from dataplane.dataset.sequences import read_dataset
from serving.model.descriptions import InputSpec
from serving.model.requests import as_batch, complete_request, stored_requests
from serving.model.stored_queries import stored_query_embeddings
from tests.components.tiny_world import FEATURES, World, make_world
from tests.contexts import in_process

CANDIDATES, QUERIES, K = 120, 40, 12
IDS = [f"c{number:05d}" for number in range(CANDIDATES)]
LOWEST = np.finfo(np.float32).min
TREE = IndexConfig(
    search="tree", recall_target=RecallTarget(recall=0.9), training_sample=1000, tuning_budget=600, queries=True
)


@dataclass(frozen=True)
class Served:
    """Both models, what they were made of, and what evaluation computes of it.

    Attributes:
        requests: of the stored queries, completed for `serving_default`.
        queries: embeddings of the stored queries.
        candidates: embeddings of the catalogue.
    """

    world: World
    serving_model: ServingModel
    models: dict[str, Any]
    requests: list[dict[str, Any]]
    queries: np.ndarray
    candidates: np.ndarray

    def ask(self, model: str, signature: str, requests: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        function = self.models[model].signatures[signature]
        specs = function.structured_input_signature[1]
        told = {name: InputSpec(dtype=spec.dtype.name, shape=spec.shape.as_list()) for name, spec in specs.items()}
        rows = [{name: value for name, value in request.items() if name in told} for request in requests]
        batch = as_batch(told, [complete_request(told, row) for row in rows])
        inputs = {
            name: tf.constant(values, specs[name].dtype)
            if values
            else tf.zeros([n or 0 for n in specs[name].shape], specs[name].dtype)
            for name, values in batch.items()
        }
        return {name: values.numpy() for name, values in function(**inputs).items()}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    world = make_world(tmp_path_factory.mktemp("world"), candidates=CANDIDATES, queries=QUERIES)
    serving_model = ServingModel(tmp_path_factory.mktemp("serving"))
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    ScannIndexer(ScannIndexerParams(top_k=K, index=TREE)).execute(
        inputs, ScannIndexer.Outputs(serving_model), in_process()
    )
    dataset, context = read_dataset(world.transformed_examples), in_process()
    return Served(
        world,
        serving_model,
        {name: tf.saved_model.load(str(serving_model.path / name)) for name in ("exact", "scann")},
        stored_requests(world.examples, dataset, FEATURES, dataset.queries.ids.to_pylist()),
        stored_query_embeddings(
            world.model, world.transform_graph, dataset, context, query_rows=np.arange(len(dataset.queries))
        ),
        candidate_embeddings(world.model, dataset, context),
    )


def best(scores: np.ndarray, may: set[str]) -> list[int]:
    return [place for place in np.argsort(-scores, kind="stable") if IDS[place] in may][:K]


def check_answer(ids: np.ndarray, scores: np.ndarray, truth: np.ndarray, may: set[str]) -> None:
    """Exactly the best of what may be answered; what differs by rounding only may change places."""
    wanted = best(truth, may)
    found = [text.decode() for text in ids if text]
    assert len(found) == len(set(found)) == len(wanted)
    assert set(found) <= may
    assert np.allclose(truth[[IDS.index(text) for text in found]], truth[wanted], rtol=1e-4, atol=1e-4)
    assert np.allclose(scores[: len(found)], truth[wanted], rtol=1e-4, atol=1e-4)
    assert (scores[len(found) :] == LOWEST).all()


@pytest.mark.parametrize("model", ["exact", "scann"])
def test_embeddings_and_scores_are_those_of_evaluation(served: Served, model: str) -> None:
    embedded = served.ask(model, "embed_query", served.requests)["embedding"]
    assert np.allclose(embedded, served.queries, rtol=1e-4, atol=1e-4)
    candidates = served.ask(model, "embed_candidate", [{"candidate_id": text} for text in IDS])["embedding"]
    assert np.allclose(candidates, served.candidates, rtol=1e-5, atol=1e-5)
    asked = [request | {"candidate_ids": [IDS[3], "unknown", IDS[-1]]} for request in served.requests]
    scores = served.ask(model, "score", asked)["scores"]
    truth = served.queries @ served.candidates.T
    assert np.allclose(scores[:, [0, 2]], truth[:, [3, -1]], rtol=1e-4, atol=1e-4)
    assert (scores[:, 1] == LOWEST).all()


def test_answers_are_exact_and_scann_s_match_at_its_recall(served: Served) -> None:
    exact, scann = (served.ask(model, "serving_default", served.requests) for model in ("exact", "scann"))
    truth = served.queries @ served.candidates.T
    for row, request in enumerate(served.requests):
        check_answer(exact["candidate_ids"][row], exact["scores"][row], truth[row], {*IDS} - {*request["history"]})
    worst = exact["scores"][:, -1:]
    recall = float((scann["scores"] >= worst - 1e-4 * np.abs(worst)).mean())
    assert recall >= served.serving_model.read_json("index.json")["recall"][f"recall@{K}"] - 0.02


ID_LIST = st.lists(st.sampled_from([*IDS, "", "unknown", "\u00e9"]), max_size=2 * CANDIDATES)
EVERYTHING = st.just([*IDS, *IDS])
ROW = st.tuples(
    st.integers(0, QUERIES - 1), ID_LIST | EVERYTHING, ID_LIST | st.just([]) | st.just(["unknown"]), ID_LIST
)


@given(rows=st.lists(ROW, max_size=4))
@settings(max_examples=40, derandomize=True)
def test_filtered_answers_are_exact_filtered_search(
    served: Served, rows: list[tuple[int, list[str], list[str], list[str]]]
) -> None:
    requests = [
        served.requests[query] | {"exclude_ids": left_out, "allow_ids": among, "history": history}
        for query, left_out, among, history in rows
    ]
    answers = served.ask("exact", "recommend_filtered", requests)
    assert answers["candidate_ids"].shape == answers["scores"].shape == (len(rows), K)
    truth = served.ask("exact", "embed_query", requests)["embedding"] @ served.candidates.T
    for row, (_, left_out, among, history) in enumerate(rows):
        may = {*IDS} - {*left_out} - {*history}
        may &= {*among} if any(among) else may
        check_answer(answers["candidate_ids"][row], answers["scores"][row], truth[row], may)


def test_a_stored_query_is_the_most_similar_to_itself(served: Served) -> None:
    ids = read_dataset(served.world.transformed_examples).queries.ids.to_pylist()
    directions = served.queries / np.linalg.norm(served.queries, axis=1, keepdims=True)
    truth = np.sort(directions @ directions.T, axis=1)[:, ::-1][:, :K]
    recall = served.serving_model.read_json("index.json")["query_index"]["recall"][f"recall@{K}"]
    for model, least in (("exact", 1.0), ("scann", recall)):
        answers = served.ask(model, "similar_queries", served.requests)
        assert all(text.encode() in found for text, found in zip(ids, answers["query_ids"], strict=True))
        assert np.allclose(answers["scores"][:, 0], 1, atol=1e-4)
        assert (answers["scores"] >= truth[:, -1:] - 1e-4).mean() >= least - 0.02
    report = served.serving_model.read_json("index.json")["query_index"]
    assert (report["queries"], report["search"]) == (QUERIES, "tree")
    assert report["recall"][f"recall@{K}"] >= 0.9


def test_the_index_of_queries_is_validated(served: Served, tmp_path_factory: pytest.TempPathFactory) -> None:
    blessing = InfraBlessing(tmp_path_factory.mktemp("infra"))
    inputs = InfraValidator.Inputs(served.world.examples, served.world.transformed_examples, served.serving_model)
    InfraValidator(InfraValidationConfig(sample_queries=4)).execute(
        inputs, InfraValidator.Outputs(blessing), in_process()
    )
    assert blessing.read_json("infra_blessing.json")["checks"]["signatures"] == 2 * 7
