"""The other signatures of a served model: similar ids, scores and embeddings, also after it was saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch
from models.retrieval.scann_index import ScannSearch
from models.retrieval.serving import (
    IndexedQueries,
    ServingModule,
    export,
    unit_vectors,
)
from models.retrieval.signatures import Answering, Specs, Tensors, raw_inputs, signature_inputs
from models.saved_models.embeddings import exported_embeddings
from models.spec.features import FeatureSpec
from tests.models.retrieval.small_serving import (
    DIM,
    EMBEDDINGS,
    FEATURES,
    IDS,
    LOWEST,
    SEARCHES,
    K,
    answer,
    ask,
    expected_scores,
    id_lists,
    module,
    request,
)


@pytest.mark.parametrize("name", list(SEARCHES))
def test_similar_candidates_are_the_nearest_without_itself(modules: dict[str, ServingModule], name: str) -> None:
    asked = [IDS[7], "unknown", "", IDS[0]]
    answers = ask(modules[name], "similar_candidates", {"candidate_id": tf.constant(asked, tf.string)})
    for row, text in enumerate(asked):
        if text not in IDS:
            assert (answers["candidate_ids"][row] == b"").all()
            assert (answers["scores"][row] == LOWEST).all()
            continue
        own = int(text.split()[1])
        scores = EMBEDDINGS @ EMBEDDINGS[own]
        best = [place for place in np.argsort(-scores) if place != own][:K]
        found = [given_id.decode() for given_id in answers["candidate_ids"][row]]
        assert len(set(found)) == K
        assert text not in found
        if name != "tree":
            assert found == [IDS[place] for place in best]
            assert np.allclose(answers["scores"][row], scores[best], rtol=1e-5)


@pytest.mark.parametrize("name", list(SEARCHES))
def test_given_candidates_are_scored(modules: dict[str, ServingModule], parts: tuple[Any, Any], name: str) -> None:
    inputs = request([[], [IDS[0]]])
    asked = [[IDS[3], "unknown", IDS[3]], ["", IDS[39], IDS[0]]]
    scores = ask(modules[name], "score", inputs | {"candidate_ids": id_lists(asked)})["scores"]
    truth = expected_scores(parts, inputs)
    wanted = [[truth[0, 3], LOWEST, truth[0, 3]], [LOWEST, truth[1, 39], truth[1, 0]]]
    assert np.allclose(scores, wanted, rtol=1e-5, atol=1e-5)
    assert ask(modules[name], "score", inputs | {"candidate_ids": id_lists([[], []])})["scores"].shape == (2, 0)


def test_embeddings_are_the_towers(modules: dict[str, ServingModule], parts: tuple[Any, Any]) -> None:
    inputs = request([[], [IDS[0]]])
    embedded = ask(modules["exact"], "embed_query", inputs)["embedding"]
    assert np.allclose(embedded @ EMBEDDINGS.T, expected_scores(parts, inputs), rtol=1e-5, atol=1e-5)
    tokens = tf.constant([[3], [7]])
    embedded = ask(modules["exact"], "embed_candidate", {"candidate_id": tf.constant(["new", "another"])})["embedding"]
    assert np.array_equal(embedded, parts[1].embed_candidate({"candidate_id": tokens}).numpy())


@pytest.mark.parametrize("name", list(SEARCHES))
def test_a_saved_model_answers_as_before_it_was_saved(
    modules: dict[str, ServingModule], name: str, tmp_path: Path
) -> None:
    export(modules[name], tmp_path / "model")
    signatures = tf.saved_model.load(str(tmp_path / "model")).signatures
    serve = signatures["serving_default"]
    inputs = request([[], [IDS[0]]])
    loaded, before = serve(**inputs), answer(modules[name], inputs)
    assert np.array_equal(loaded["candidate_ids"].numpy(), before[0])
    assert np.array_equal(loaded["scores"].numpy(), before[1])
    assert {name: spec.shape.as_list() for name, spec in serve.structured_outputs.items()} == {
        "candidate_ids": [None, K],
        "scores": [None, K],
    }
    described = signature_inputs(FEATURES, remove_seen=True, queries=False)
    assert set(signatures) == set(described)
    for signature, function in signatures.items():
        found = function.structured_input_signature[1]
        assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in found.items()} == {
            name: (spec.dtype, spec.shape.as_list()) for name, spec in described[signature].items()
        }
    similar = signatures["similar_candidates"](candidate_id=tf.constant([IDS[1]]))
    assert similar["scores"].shape == (1, K)
    shapes = {name: signatures[name].structured_outputs for name in ("score", "embed_query")}
    assert shapes["score"]["scores"].shape.as_list() == [None, None]
    assert shapes["embed_query"]["embedding"].shape.as_list() == [None, DIM]


def test_exported_embeddings_can_be_read_back(modules: dict[str, ServingModule], tmp_path: Path) -> None:
    export(modules["exact"], tmp_path / "model")
    assert np.array_equal(exported_embeddings(tmp_path / "model"), EMBEDDINGS)


def test_inputs_are_the_raw_features() -> None:
    features = FeatureSpec.model_validate(
        {
            "query": {
                "user": {"type": "id"},
                "tags": {"type": "categorical", "max_values": 3},
                "bio": {"type": "text"},
                "born": {"type": "timestamp"},
                "face": {"type": "vector", "dimension": 5},
            },
            "history": None,
        }
    )
    shapes = {
        name: (spec.dtype.name, spec.shape.as_list()) for name, spec in raw_inputs(features, remove_seen=False).items()
    }
    assert shapes == {
        "user": ("string", [None]),
        "tags": ("string", [None, None]),
        "bio": ("string", [None]),
        "born": ("int64", [None]),
        "face": ("float32", [None, 5]),
    }
    assert "history" in raw_inputs(features, remove_seen=True)


@pytest.mark.parametrize("kind", [ExactSearch, lambda vectors: ScannSearch(ExactSearch(vectors), None)])
def test_similar_queries_are_the_nearest_by_angle(parts: tuple[Any, Any], kind: Callable, tmp_path: Path) -> None:
    embeddings = np.random.default_rng(2).normal(size=(30, DIM)).astype(np.float32) * np.arange(1, 31)[:, None]
    embeddings[7] = 0
    names = np.array([f"query {row}" for row in range(30)], object)
    serving = ServingModule(
        preprocessing=parts[0],
        towers=parts[1],
        features=FEATURES,
        candidate_ids=CandidateIds(IDS),
        search=ExactSearch(EMBEDDINGS),
        top_k=K,
        remove_seen=True,
        queries=IndexedQueries(CandidateIds(names), kind(unit_vectors(embeddings.astype(np.float32)))),
    )
    export(serving, tmp_path / "model")
    similar = tf.saved_model.load(str(tmp_path / "model")).signatures["similar_queries"]
    inputs = request([[], [IDS[0]], [IDS[1], "unknown"]])
    asked = ask(serving, "embed_query", inputs)["embedding"]
    lengths = np.linalg.norm(embeddings, axis=1)
    cosines = (asked / np.linalg.norm(asked, axis=1, keepdims=True)) @ (
        embeddings / np.where(lengths, lengths, 1)[:, None]
    ).T
    found = similar(**inputs)
    for row in range(3):
        best = np.argsort(-cosines[row])[:K]
        assert [text.decode() for text in found["query_ids"].numpy()[row]] == list(names[best])
        assert np.allclose(found["scores"].numpy()[row], cosines[row, best], atol=1e-5)
    assert similar(**request([]))["query_ids"].shape == (0, K)
    assert {name: spec.shape.as_list() for name, spec in similar.structured_outputs.items()} == {
        "query_ids": [None, K],
        "scores": [None, K],
    }


class Shifted(tf.Module):
    """A family of one signature: the query's embedding, moved by a variable and by an input."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = tf.Variable([1.0] * DIM)

    def inputs(self, query: Specs) -> dict[str, dict[str, tf.TensorSpec]]:
        return {"shifted": {**query, "by": tf.TensorSpec([None], tf.float32, name="by")}}

    def functions(self, serving: ServingModule) -> dict[str, Answering]:
        def shifted(request: Tensors) -> dict[str, tf.Tensor]:
            queries, seen = serving.asked(request)
            return {"embedding": queries + self.shift + request["by"][:, None], "seen": seen}

        return {"shifted": shifted}


@pytest.mark.parametrize("remove_seen", [True, False])
def test_a_family_adds_signatures_that_are_saved_with_their_variables(
    parts: tuple[Any, Any], tmp_path: Path, remove_seen: bool
) -> None:
    serving = module(parts, ExactSearch(EMBEDDINGS), remove_seen=remove_seen, families=[Shifted()])
    assert list(serving.inputs["shifted"]) == [*serving.inputs["serving_default"], "by"]
    export(serving, tmp_path / "model")
    signatures = tf.saved_model.load(str(tmp_path / "model")).signatures
    inputs = request([[IDS[3], "unknown"], []])
    found = signatures["shifted"](**inputs, by=tf.constant([2.0, 3.0]))
    plain = signatures["embed_query"](**inputs)["embedding"].numpy()
    assert np.allclose(found["embedding"].numpy() - plain, np.array([[3.0], [4.0]]), atol=1e-5)
    assert found["seen"].numpy().tolist() == ([[3, -1], [-1, -1]] if remove_seen else [[], []])
