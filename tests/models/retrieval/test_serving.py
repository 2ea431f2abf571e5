from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.preprocessing.preprocessing import packed_history
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch, Search
from models.retrieval.scann_index import ScannSearch
from models.retrieval.serving import (
    IndexedQueries,
    ServingModule,
    export,
    raw_inputs,
    signature_inputs,
    unit_vectors,
)
from models.saved_models.embeddings import exported_embeddings
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


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Preprocessing and towers, saved and loaded as in a pipeline."""
    path = tmp_path_factory.mktemp("parts")
    tf.saved_model.save(Preprocessing(), str(path / "preprocessing"))
    tf.saved_model.save(Towers(), str(path / "towers"))
    return tf.saved_model.load(str(path / "preprocessing")), tf.saved_model.load(str(path / "towers"))


def module(parts: tuple[Any, Any], search: Search, *, top_k: int = K, remove_seen: bool = True) -> ServingModule:
    return ServingModule(
        preprocessing=parts[0],
        towers=parts[1],
        features=FEATURES,
        candidate_ids=CandidateIds(IDS),
        search=search,
        top_k=top_k,
        remove_seen=remove_seen,
    )


TREE = TreeSettings(6, 2, 0.2, 2, 20, 1000, K)
SEARCHES: dict[str, Callable[[], Search]] = {
    "exact": lambda: ExactSearch(EMBEDDINGS),
    "brute_force": lambda: ScannSearch(ExactSearch(EMBEDDINGS), None),
    "tree": lambda: ScannSearch(ExactSearch(EMBEDDINGS), TREE),
}


@pytest.fixture(scope="module")
def modules(parts: tuple[Any, Any]) -> dict[str, ServingModule]:
    return {name: module(parts, make()) for name, make in SEARCHES.items()}


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


@pytest.mark.parametrize("name", ["exact", "brute_force"])
def test_answers_are_the_exact_ranking_without_the_history(
    modules: dict[str, ServingModule], parts: tuple[Any, Any], name: str
) -> None:
    histories = [[], list(IDS[:3]), [*IDS[5:30], "unknown", IDS[5]], ["", IDS[9]]]
    inputs = request(histories)
    ids, scores = answer(modules[name], inputs)
    truth = expected_scores(parts, inputs)
    for row, history in enumerate(histories):
        allowed = [place for place in np.argsort(-truth[row], kind="stable") if IDS[place] not in history][:K]
        assert [text.decode() for text in ids[row]] == [IDS[place] for place in allowed]
        assert np.allclose(scores[row], truth[row, allowed], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", list(SEARCHES))
@given(
    histories=st.lists(
        st.lists(st.sampled_from([*IDS, "", "unknown", "\n"]), max_size=2 * CANDIDATES), min_size=0, max_size=4
    ),
    age=st.floats(-5, 5, width=32) | st.just(float("nan")),
)
@settings(max_examples=25)
def test_answers_contain_no_seen_or_repeated_candidates_and_no_gaps(
    modules: dict[str, ServingModule], name: str, histories: list[list[str]], age: float
) -> None:
    ids, scores = answer(modules[name], request(histories, [age] * len(histories)))
    assert ids.shape == scores.shape == (len(histories), K)
    for row, history in enumerate(histories):
        answered = [text.decode() for text in ids[row]]
        given_ids = [text for text in answered if text]
        assert answered == given_ids + [""] * (K - len(given_ids))
        assert len(set(given_ids)) == len(given_ids)
        assert set(given_ids) <= set(IDS) - set(history)
        assert (scores[row][len(given_ids) :] == LOWEST).all()
        assert (np.diff(scores[row][: len(given_ids)]) <= 0).all()
        assert len(given_ids) == min(K, CANDIDATES - len(set(history) & set(IDS)))


ID_LIST = st.lists(st.sampled_from([*IDS, "", "unknown"]), max_size=2 * CANDIDATES)


@pytest.mark.parametrize("name", list(SEARCHES))
@given(rows=st.lists(st.tuples(ID_LIST, ID_LIST, ID_LIST | st.just([])), max_size=4), age=st.floats(-5, 5, width=32))
@settings(max_examples=25)
def test_filtered_answers_are_the_exact_ranking_of_the_allowed_candidates(
    modules: dict[str, ServingModule],
    parts: tuple[Any, Any],
    name: str,
    rows: list[tuple[list[str], list[str], list[str]]],
    age: float,
) -> None:
    histories, excluded, allowed = ([row[part] for row in rows] for part in range(3))
    inputs = request(histories, [age] * len(rows))
    lists = {"exclude_ids": id_lists(excluded), "allow_ids": id_lists(allowed)}
    answers = ask(modules[name], "recommend_filtered", inputs | lists)
    assert answers["candidate_ids"].shape == answers["scores"].shape == (len(rows), K)
    truth = expected_scores(parts, inputs)
    for row, (history, left_out, among) in enumerate(rows):
        may = set(IDS) - set(history) - set(left_out)
        if any(among):
            may &= set(among)
        places = [place for place in np.argsort(-truth[row], kind="stable") if IDS[place] in may][:K]
        found = [text.decode() for text in answers["candidate_ids"][row]]
        given_ids = [text for text in found if text]
        assert found == given_ids + [""] * (K - len(given_ids))
        assert len(given_ids) == len(set(given_ids)) == len(places)
        assert set(given_ids) <= may
        assert (answers["scores"][row][len(given_ids) :] == LOWEST).all()
        if name != "tree":  # the same ranking; candidates with equal scores up to rounding may swap
            own = truth[row, [int(text.split()[1]) for text in given_ids]]
            assert np.allclose(own, truth[row, places], rtol=1e-5, atol=1e-5)
            assert np.allclose(answers["scores"][row][: len(places)], truth[row, places], rtol=1e-5, atol=1e-5)


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


def test_seen_candidates_stay_without_remove_seen(parts: tuple[Any, Any]) -> None:
    serving = module(parts, ExactSearch(EMBEDDINGS), remove_seen=False)
    inputs = request([list(IDS)])
    ids, _ = answer(serving, inputs)
    best = np.argsort(-expected_scores(parts, inputs)[0])[:K]
    assert [text.decode() for text in ids[0]] == [IDS[place] for place in best]


@pytest.mark.parametrize("batch", [0, 1, 1000])
def test_batches_of_any_size_are_answered(modules: dict[str, ServingModule], batch: int) -> None:
    for serving in modules.values():
        inputs = request([[IDS[0]]] * batch)
        ids, scores = answer(serving, inputs)
        assert ids.shape == scores.shape == (batch, K)
        assert IDS[0].encode() not in ids
        allowed = inputs | {"exclude_ids": id_lists([[]] * batch), "allow_ids": id_lists([list(IDS[:20])] * batch)}
        assert ask(serving, "recommend_filtered", allowed)["candidate_ids"].shape == (batch, K)
        candidate = {"candidate_id": inputs["device"]}
        assert ask(serving, "similar_candidates", candidate)["candidate_ids"].shape == (batch, K)
        scored = ask(serving, "score", inputs | {"candidate_ids": id_lists([["", "x"]] * batch)})["scores"]
        assert len(scored) == batch
        assert ask(serving, "embed_query", inputs)["embedding"].shape == (batch, DIM)
        assert ask(serving, "embed_candidate", candidate)["embedding"].shape == (batch, DIM)


def test_top_k_is_clipped_to_the_catalogue(parts: tuple[Any, Any]) -> None:
    for make in SEARCHES.values():
        ids, scores = answer(module(parts, make(), top_k=1000), request([[], [IDS[3]]]))
        assert ids.shape == (2, CANDIDATES)
        assert set(ids[0]) == {text.encode() for text in IDS}
        assert (ids[1, -1], scores[1, -1]) == (b"", LOWEST)


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


def test_a_model_without_history_removes_seen_candidates(parts: tuple[Any, Any]) -> None:
    class AgeTower(tf.Module):
        @tf.function
        def embed_query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
            return tf.repeat(columns["age"], DIM, axis=1)

        @tf.function
        def embed_candidate(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
            return tf.repeat(tf.cast(columns["candidate_id"], tf.float32), DIM, axis=1)

    features = FeatureSpec.model_validate({"query": {"age": {"type": "numeric"}}, "history": None})
    serving = ServingModule(
        preprocessing=parts[0],
        towers=AgeTower(),
        features=features,
        candidate_ids=CandidateIds(IDS),
        search=ExactSearch(EMBEDDINGS),
        top_k=CANDIDATES,
        remove_seen=True,
    )
    inputs = {"age": tf.constant([1.0]), "history": tf.constant([list(IDS[:30])])}
    ids, _ = answer(serving, inputs)
    assert {text for text in ids[0] if text} == {text.encode() for text in IDS[30:]}


def test_ids_are_found_in_a_large_catalogue(tmp_path: Path) -> None:
    many = np.array([f"id {number}" for number in range(200_000)], object)
    ids = CandidateIds(many)
    asked = tf.constant([["id 0", "id 199999", ""], ["id 200000", "id 77777", "ID 0"]])
    assert ids.rows(asked).numpy().tolist() == [[0, 199_999, -1], [-1, 77_777, -1]]
    assert ids.of(tf.constant([-1, 5])).numpy().tolist() == [b"", b"id 5"]
    tf.saved_model.save(ids, str(tmp_path / "ids"))
    assert (tmp_path / "ids" / "saved_model.pb").stat().st_size < 100_000


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="not distinct"):
        CandidateIds(np.array(["a", "b", "a"], object))


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
