from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import FeatureSpec
from models.index import ExactSearch, ScannSearch, Search, TreeSettings
from models.serving import CandidateIds, ServingModule, export, exported_embeddings, raw_inputs

LOWEST = np.finfo(np.float32).min
CANDIDATES, DIM, K = 40, 4, 6
FEATURES = FeatureSpec.model_validate(
    {"query": {"age": {"type": "numeric"}}, "context": {"device": {"type": "categorical"}}}
)
IDS = np.array([f"item {number} é" for number in range(CANDIDATES)], object)
EMBEDDINGS = np.random.default_rng(0).normal(size=(CANDIDATES, DIM)).astype(np.float32)


class Preprocessing(tf.Module):
    """Same interface as the one Transform saves; devices are told apart by length."""

    @tf.function(input_signature=[{"age": tf.TensorSpec([None])}])
    def encode_query(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        age = raw["age"]
        return {"age": tf.where(tf.math.is_nan(age), 0.0, age)[:, None]}

    @tf.function(input_signature=[{"device": tf.TensorSpec([None], tf.string)}])
    def encode_context(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"device": tf.strings.length(raw["device"])[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string)])
    def encode_history(self, ids: tf.Tensor) -> tf.Tensor:
        return tf.reverse(tf.strings.length(tf.pad(ids, [[0, 0], [3, 0]])[:, -3:]), [1])


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


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    """Preprocessing and towers, saved and loaded as they are in a pipeline."""
    path = tmp_path_factory.mktemp("parts")
    tf.saved_model.save(Preprocessing(), str(path / "preprocessing"))
    tf.saved_model.save(Towers(), str(path / "towers"))
    return tf.saved_model.load(str(path / "preprocessing")), tf.saved_model.load(str(path / "towers"))


def module(parts: tuple[object, object], search: Search, *, top_k: int = K, remove_seen: bool = True) -> ServingModule:
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
SEARCHES = {
    "exact": lambda: ExactSearch(EMBEDDINGS),
    "brute_force": lambda: ScannSearch(EMBEDDINGS, None),
    "tree": lambda: ScannSearch(EMBEDDINGS, TREE),
}


@pytest.fixture(scope="module")
def modules(parts: tuple[object, object]) -> dict[str, ServingModule]:
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
    outputs = serving.serve(inputs)
    return outputs["candidate_ids"].numpy(), outputs["scores"].numpy()


def expected_scores(parts: tuple[object, object], inputs: dict[str, tf.Tensor]) -> np.ndarray:
    encoded = parts[0].encode_query({"age": inputs["age"]})
    encoded |= parts[0].encode_context({"device": inputs["device"]})
    encoded |= {"history": parts[0].encode_history(inputs["history"])}
    return parts[1].embed_query(encoded).numpy() @ EMBEDDINGS.T


@pytest.mark.parametrize("name", ["exact", "brute_force"])
def test_answers_are_the_exact_ranking_without_the_history(
    modules: dict[str, ServingModule], parts: tuple[object, object], name: str
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
@settings(max_examples=25, deadline=None)
def test_no_answer_is_seen_repeated_or_padding_in_between(
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


def test_seen_candidates_stay_where_consumption_repeats(parts: tuple[object, object]) -> None:
    serving = module(parts, ExactSearch(EMBEDDINGS), remove_seen=False)
    inputs = request([list(IDS)])
    ids, _ = answer(serving, inputs)
    best = np.argsort(-expected_scores(parts, inputs)[0])[:K]
    assert [text.decode() for text in ids[0]] == [IDS[place] for place in best]


@pytest.mark.parametrize("batch", [0, 1, 1000])
def test_batches_of_any_size_are_answered(modules: dict[str, ServingModule], batch: int) -> None:
    for serving in modules.values():
        ids, scores = answer(serving, request([[IDS[0]]] * batch))
        assert ids.shape == scores.shape == (batch, K)
        assert IDS[0].encode() not in ids


def test_k_beyond_the_catalogue_is_clipped(parts: tuple[object, object]) -> None:
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
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    inputs = request([[], [IDS[0]]])
    loaded, before = serve(**inputs), answer(modules[name], inputs)
    assert np.array_equal(loaded["candidate_ids"].numpy(), before[0])
    assert np.array_equal(loaded["scores"].numpy(), before[1])
    assert {name: spec.shape.as_list() for name, spec in serve.structured_outputs.items()} == {
        "candidate_ids": [None, K],
        "scores": [None, K],
    }


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


def test_a_model_without_history_still_removes_what_was_seen(parts: tuple[object, object]) -> None:
    class AgeTower(tf.Module):
        @tf.function
        def embed_query(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
            return tf.repeat(columns["age"], DIM, axis=1)

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


def test_ids_are_found_among_hundreds_of_thousands(tmp_path: Path) -> None:
    many = np.array([f"id {number}" for number in range(200_000)], object)
    ids = CandidateIds(many)
    asked = tf.constant([["id 0", "id 199999", ""], ["id 200000", "id 77777", "ID 0"]])
    assert ids.rows(asked).numpy().tolist() == [[0, 199_999, -1], [-1, 77_777, -1]]
    assert ids.of(tf.constant([-1, 5])).numpy().tolist() == [b"", b"id 5"]
    tf.saved_model.save(ids, str(tmp_path / "ids"))
    assert (tmp_path / "ids" / "saved_model.pb").stat().st_size < 100_000


def test_ids_that_repeat_are_refused() -> None:
    with pytest.raises(ValueError, match="not distinct"):
        CandidateIds(np.array(["a", "b", "a"], object))
