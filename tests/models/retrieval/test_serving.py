"""Recommendations are the exact ranking, without what the query has seen or must not get."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch
from models.retrieval.serving import ServingModule
from models.spec.features import FeatureSpec
from tests.models.retrieval.small_serving import (
    CANDIDATES,
    DIM,
    EMBEDDINGS,
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
