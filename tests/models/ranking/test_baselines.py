import numpy as np
import pytest

import models.ranking.baselines
from models.ranking.baselines import (
    ItemToItemScorer,
    PopularityScorer,
    co_occurrences,
    item_similarities,
    recent_counts,
)
from models.ranking.ranking import CandidateLists, rank_candidates


def random_lists(queries: int, candidates: int, seed: int) -> CandidateLists:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 12, queries)
    return CandidateLists(np.cumsum([0, *sizes]), rng.integers(0, candidates, sizes.sum()).astype(np.int32))


def dense(lists: CandidateLists, candidates: int) -> np.ndarray:
    matrix = np.zeros((len(lists), candidates))
    for query in range(len(lists)):
        matrix[query, lists.entries(query, query + 1)] = 1
    return matrix


def test_popularity_orders_by_count_also_beyond_float32() -> None:
    scorer = PopularityScorer(np.array([5, 2**24 + 1, 2**24, 5]))
    scores = scorer.scores(0, 2)
    assert scores.shape == (2, 4)
    assert np.argsort(-scores[1], kind="stable").tolist() == [1, 2, 0, 3]
    assert scores[0, 0] == scores[0, 3]
    assert scorer.scores(3, 5).tolist() == scores.tolist(), "for every query alike"


def test_scores_may_be_overwritten() -> None:
    scorer = PopularityScorer(np.array([1, 2]))
    scorer.scores(0, 1)[:] = -np.inf
    assert np.isfinite(scorer.scores(0, 1)).all()


@pytest.mark.parametrize("neighbours", [1, 3, 100])
def test_item_knn_equals_dense_arithmetic(neighbours: int) -> None:
    train, histories = random_lists(60, 17, seed=1), random_lists(9, 17, seed=2)
    given = train.rows.copy()
    scorer = ItemToItemScorer(item_similarities(train, 17, neighbours=neighbours, shrinkage=2.0), histories)
    matrix = dense(train, 17)
    shared = matrix.T @ matrix
    norms = np.sqrt(np.diag(shared))
    similarity = shared / (np.outer(norms, norms) + 2.0)
    np.fill_diagonal(similarity, 0)
    for candidate in range(17):
        far = np.argsort(-similarity[:, candidate], kind="stable")[neighbours:]
        similarity[far, candidate] = 0
    np.testing.assert_allclose(scorer.scores(0, 9), dense(histories, 17) @ similarity, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(scorer.scores(4, 6), scorer.scores(0, 9)[4:6])
    assert np.array_equal(train.rows, given)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    train = random_lists(60, 17, seed=1)
    whole = item_similarities(train, 17, neighbours=4).toarray()
    assert whole.any()
    monkeypatch.setattr(models.ranking.baselines, "_BLOCK_PAIRS", 100)
    assert np.array_equal(item_similarities(train, 17, neighbours=4).toarray(), whole)


def test_item_knn_without_history_scores_everything_alike() -> None:
    similarities = item_similarities(random_lists(20, 5, seed=3), 5)
    assert not ItemToItemScorer(similarities, CandidateLists.empty(2)).scores(0, 2).any()


def test_item_knn_of_lone_events_has_no_neighbours() -> None:
    lone = CandidateLists(np.array([0, 1, 2]), np.array([0, 1], np.int32))
    assert item_similarities(lone, 3).nnz == 0


def test_co_occurrences_are_squares_of_lengths() -> None:
    assert co_occurrences(CandidateLists(np.array([0, 3, 3, 5]), np.arange(5))) == 13


def test_baselines_can_be_ranked() -> None:
    relevant = CandidateLists(np.array([0, 1]), np.array([1]))
    excluded = CandidateLists(np.array([0, 1]), np.array([0]))
    ranking = rank_candidates(PopularityScorer(np.array([9, 3, 5])), relevant=relevant, excluded=excluded, depth=2)
    assert ranking.ranks.tolist() == [2]
    assert ranking.top.tolist() == [[2, 1]]


def test_recent_counts_order_by_the_window_and_then_by_all_events() -> None:
    candidate, timestamp = np.array([0, 0, 0, 1, 2, 2, 3]), np.array([1, 2, 3, 10, 4, 9, 3])
    counts = recent_counts(candidate, timestamp, 5, window=5)
    assert np.argsort(-counts, kind="stable").tolist() == [2, 1, 0, 3, 4]
    everything = recent_counts(candidate, timestamp, 5, window=100)
    assert np.argsort(-everything, kind="stable").tolist() == [0, 2, 1, 3, 4]
