from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.index import ExactSearch, Search
from models.retrieval.index_recall import RecallMeter
from models.retrieval.scann_index import ScannSearch
from models.spec.tree_settings import TreeSettings

LOWEST = np.finfo(np.float32).min


def unit_vectors(count: int, *, dim: int = 16, seed: int = 0) -> np.ndarray:
    centres = np.random.default_rng(99).normal(size=(50, dim))
    random = np.random.default_rng(seed)
    vectors = centres[random.integers(0, 50, count)] + 0.5 * random.normal(size=(count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def settings(candidates: int, *, leaves_to_search: int = 10, answers: int = 10) -> TreeSettings:
    leaves = round(candidates**0.5)
    return TreeSettings(
        leaves=leaves,
        leaves_to_search=min(leaves, leaves_to_search),
        anisotropic_threshold=0.2,
        dimensions_per_block=2,
        reorder=min(candidates, 500),
        training_sample=100_000,
        answers=answers,
    )


def build(vectors: np.ndarray, tree: TreeSettings | None) -> ScannSearch:
    return ScannSearch(ExactSearch(vectors), tree)


def recall(search: Search, vectors: np.ndarray, count: int) -> float:
    meter = RecallMeter(ExactSearch(vectors), unit_vectors(200, seed=1), (1, count), asked=count)
    return float(meter.recall(search.search)[count].mean())


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return unit_vectors(4000)


@pytest.fixture(scope="module")
def tree(vectors: np.ndarray) -> ScannSearch:
    return build(vectors, settings(len(vectors)))


def expected(vectors: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :count]


def found(search: Search, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    rows, scores = search.search(tf.constant(queries), tf.constant(count))
    return rows.numpy(), scores.numpy()


@pytest.mark.parametrize("candidates", [1, 2, 15, 16, 40])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_small_catalogues_are_searched_exactly(candidates: int, batch: int) -> None:
    vectors, queries = unit_vectors(candidates), unit_vectors(batch, seed=1)
    count = min(candidates, 5)
    for search in (ExactSearch(vectors), build(vectors, None)):
        rows, scores = found(search, queries, count)
        assert rows.shape == scores.shape == (batch, count)
        assert np.array_equal(rows, expected(vectors, queries, count))
        assert np.allclose(scores, np.take_along_axis(queries @ vectors.T, rows, 1), atol=1e-6)


def test_exact_search_in_several_blocks_gives_the_same(monkeypatch: pytest.MonkeyPatch, vectors: np.ndarray) -> None:
    queries = unit_vectors(11, seed=1)
    monkeypatch.setattr("models.retrieval.index._BLOCK_SCORES", 3 * len(vectors))
    rows, _ = found(ExactSearch(vectors), queries, 7)
    assert np.array_equal(rows, expected(vectors, queries, 7))


def test_exact_ties_go_to_the_lower_row() -> None:
    vectors = np.ones((6, 3), np.float32)
    rows, _ = found(ExactSearch(vectors), np.ones((2, 3), np.float32), 4)
    assert rows.tolist() == [[0, 1, 2, 3]] * 2


def test_a_tree_finds_the_exact_answers(tree: ScannSearch, vectors: np.ndarray) -> None:
    assert recall(tree, vectors, 10) > 0.95


def test_recall_is_lower_if_fewer_leaves_are_searched_or_fewer_candidates_rescored(
    tree: ScannSearch, vectors: np.ndarray
) -> None:
    wide = recall(tree, vectors, 10)
    try:
        tree.settings = settings(len(vectors), leaves_to_search=1)
        assert recall(tree, vectors, 10) < wide
        tree.settings = replace(settings(len(vectors)), reorder=10)
        assert recall(tree, vectors, 10) < wide
    finally:
        tree.settings = settings(len(vectors))


def test_recall_does_not_trust_the_scores_of_an_index(vectors: np.ndarray) -> None:
    class Liar:
        def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            shape = [tf.shape(queries)[0], count]
            return tf.zeros(shape, tf.int32), tf.fill(shape, 1e6)

    assert recall(cast(Search, Liar()), vectors, 5) < 0.05


def test_any_of_several_equal_candidates_counts_as_found() -> None:
    vectors = np.repeat(unit_vectors(20), 3, axis=0)

    class Last:
        def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            best = np.argsort(-(queries.numpy() @ vectors[2::3].T), axis=1)[:, : int(count)] * 3 + 2
            return tf.constant(best.astype(np.int32)), tf.zeros(best.shape)

    assert recall(cast(Search, Last()), vectors, 1) == 1.0


def test_trees_built_from_the_same_vectors_are_the_same(tree: ScannSearch, vectors: np.ndarray) -> None:
    again = build(vectors, settings(len(vectors)))
    for first, second in zip(tree.variables, again.variables, strict=True):
        assert np.array_equal(first.numpy(), second.numpy())


@pytest.mark.parametrize("batch", [0, 1, 1000])
def test_a_tree_answers_batches_of_any_size(tree: ScannSearch, batch: int) -> None:
    rows, scores = found(tree, unit_vectors(batch, seed=1), 10)
    assert rows.shape == scores.shape == (batch, 10)
    assert (rows >= 0).all()
    assert np.isfinite(scores).all()


def test_a_tree_searches_more_leaves_for_more_answers(tree: ScannSearch, vectors: np.ndarray) -> None:
    queries = unit_vectors(20, seed=1)
    rows, scores = found(tree, queries, 2000)
    assert (rows >= 0).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == 2000 for row in rows.tolist())


def test_short_answers_are_padded(vectors: np.ndarray) -> None:
    search = build(vectors, settings(len(vectors), answers=4000))
    # Searches a single leaf, which holds too few candidates.
    assert search.settings is not None
    search.settings = replace(search.settings, leaves=1, leaves_to_search=1)
    rows, scores = found(search, vectors[:5], 400)
    assert rows.shape == scores.shape == (5, 400)
    assert (rows == -1).any()
    assert np.array_equal(rows == -1, scores == LOWEST)
    assert all(len(set(row) - {-1}) == sum(number >= 0 for number in row) for row in rows.tolist())
    assert (np.diff((rows == -1).astype(int), axis=1) >= 0).all()


def test_a_tree_of_equal_vectors_returns_each_once() -> None:
    vectors = np.repeat(unit_vectors(3), 500, axis=0)
    rows, _ = found(build(vectors, settings(len(vectors))), vectors[:1], 100)
    assert len(set(rows[0].tolist())) == 100
    assert rows.max() < 500


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(value: float) -> None:
    vectors = unit_vectors(100)
    vectors[[7, 9], 3] = value
    with pytest.raises(ValueError, match=r"2 of 100 rows hold NaN or inf, first row 7"):
        ExactSearch(vectors)


@pytest.mark.parametrize("change", ["half zero", "all zero", "long", "uneven blocks"])
def test_unusual_vectors_do_not_break_a_tree(vectors: np.ndarray, change: str) -> None:
    odd = vectors.copy()
    odd[:: {"half zero": 2, "all zero": 1}.get(change, 10**9)] = 0
    odd *= 1e6 if change == "long" else 1.0
    odd = odd[:, : 15 if change == "uneven blocks" else 16]
    queries = unit_vectors(20, seed=1)[:, : odd.shape[1]]
    rows, scores = found(build(odd, settings(len(odd), leaves_to_search=63)), queries, 10)
    assert all(len(set(row)) == 10 for row in rows.tolist())
    assert np.allclose(scores, np.take_along_axis(queries @ odd.T, rows, 1), rtol=1e-4, atol=1e-5)


def test_the_index_shares_the_embeddings_of_exact_search(vectors: np.ndarray) -> None:
    exact = ExactSearch(vectors)
    assert ScannSearch(exact, settings(len(vectors))).state.dataset is exact.embeddings


def test_a_tree_of_too_few_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="tree of 20 leaves on 18 candidates"):
        build(unit_vectors(18), TreeSettings(20, 2, 0.2, 2, 10, 1000, 10))


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="with rows"):
        ExactSearch(np.empty((0, 4), np.float32))
