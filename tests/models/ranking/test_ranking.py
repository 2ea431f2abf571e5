import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.ranking.ranking
from models.events.history import PADDING
from models.ranking.ranking import CandidateLists, EmbeddingScorer, Ranking, best_candidates, rank_candidates, top_k


class MatrixScorer:
    """Returns fixed scores."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = np.asarray(matrix, np.float32)
        self.candidates = self.matrix.shape[1]

    def scores(self, start: int, stop: int) -> np.ndarray:
        return self.matrix[start:stop].copy()


def lists(*rows: list[int]) -> CandidateLists:
    offsets = np.cumsum([0, *map(len, rows)])
    return CandidateLists(offsets, np.concatenate([np.array(r, np.int32) for r in rows]))


def rank(matrix: object, relevant: list[list[int]], excluded: list[list[int]] | None = None, depth: int = 3) -> Ranking:
    scorer = MatrixScorer(np.asarray(matrix))
    left_out = lists(*(excluded or [[] for _ in relevant]))
    return rank_candidates(scorer, relevant=lists(*relevant), excluded=left_out, depth=depth)


def by_definition(
    scores: np.ndarray, relevant: list[int], excluded: list[int], depth: int
) -> tuple[list[int], list[int]]:
    """Sorts (score descending; irrelevant before relevant among equals; row)."""
    allowed = [c for c in range(len(scores)) if c not in excluded]
    against_us = sorted(allowed, key=lambda c: (-scores[c], c in relevant, c))
    top = sorted(allowed, key=lambda c: (-scores[c], c))[: min(depth, len(scores))]
    top += [PADDING] * (min(depth, len(scores)) - len(top))
    return [min(against_us.index(c) + 1, depth + 1) for c in relevant], top


@st.composite
def rankings(draw: st.DrawFn) -> tuple[np.ndarray, list[list[int]], list[list[int]], int]:
    queries, candidates = draw(st.integers(1, 6)), draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([1, 2, 5, 10_000]))  # few levels: nearly everything ties
    scores = rng.integers(-levels, levels, (queries, candidates)).astype(np.float32) / 8
    relevant, excluded = [], []
    for _ in range(queries):
        shuffled = rng.permutation(candidates)
        wanted = int(rng.integers(1, min(5, candidates) + 1))
        relevant.append(shuffled[:wanted].tolist())
        excluded.append(shuffled[wanted : wanted + int(rng.integers(0, candidates))].tolist())
    return scores, relevant, excluded, draw(st.integers(1, 100))


@given(rankings())
@settings(max_examples=200)
def test_equals_sorting_the_whole_catalogue(case: tuple[np.ndarray, list[list[int]], list[list[int]], int]) -> None:
    scores, relevant, excluded, depth = case
    ranking = rank(scores, relevant, excluded, depth)
    expected = [by_definition(*row, depth) for row in zip(scores, relevant, excluded, strict=True)]
    assert ranking.ranks.tolist() == [r for ranks, _ in expected for r in ranks]
    assert ranking.top.tolist() == [top for _, top in expected]


def test_wide_rows_equal_a_stable_sort() -> None:
    rng = np.random.default_rng(0)
    for drawn in (rng.normal(size=(20, 3001)), rng.integers(0, 40, (20, 3001)), rng.poisson(0.02, (20, 3001))):
        scores = drawn.astype(np.float32)
        columns, best = top_k(scores, 50)
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :50]
        assert np.array_equal(columns, expected)
        assert np.array_equal(best, np.take_along_axis(scores, expected, axis=1))


def test_ties_count_against_the_ranker() -> None:
    assert rank([[1, 1, 1, 1]], [[0]], depth=4).ranks.tolist() == [4]
    # Two relevant ones among equals: behind both others, in row order.
    assert rank([[1, 1, 1, 1]], [[3, 0]], depth=4).ranks.tolist() == [4, 3]
    # The list of the best ends amid the tie.
    assert rank([[2, 1, 1, 1]], [[1]], depth=2).ranks.tolist() == [3]


def test_positive_and_negative_zero_are_equal() -> None:
    assert rank([[0.0, -0.0]], [[0]], depth=2).ranks.tolist() == [2]
    assert rank([[-0.0, 0.0]], [[0]], depth=2).top.tolist() == [[0, 1]]


def test_excluded_candidates_are_neither_ranked_nor_listed() -> None:
    ranking = rank([[5, 4, 3, 2], [5, 4, 3, 2]], [[2], [2]], [[0], [0, 1, 3]])
    assert ranking.ranks.tolist() == [2, 1]
    assert ranking.top.tolist() == [[1, 2, 3], [2, PADDING, PADDING]]


def test_the_best_are_padded_where_fewer_are_left() -> None:
    scorer = MatrixScorer(np.array([[5, 4, 3, 2], [5, 4, 3, 2]]))
    rows, scores = best_candidates(scorer, excluded=lists([0], [0, 1, 3]), count=3)
    assert rows.tolist() == [[1, 2, 3], [2, PADDING, PADDING]]
    lowest = float(np.finfo(np.float32).min)
    assert scores.tolist() == [[4, 3, 2], [3, lowest, lowest]]


def test_relevant_and_excluded_is_an_error() -> None:
    with pytest.raises(ValueError, match="is also excluded"):
        rank([[1, 2]], [[0]], [[0]])


def test_depth_beyond_the_catalogue_is_clipped() -> None:
    ranking = rank([[1, 3, 2]], [[0]], depth=100)
    assert ranking.ranks.tolist() == [3]
    assert ranking.top.tolist() == [[1, 2, 0]]


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 9, (11, 30))
    relevant = [rng.permutation(30)[:3].tolist() for _ in range(11)]
    whole = rank(scores, relevant, depth=10)
    monkeypatch.setattr(models.ranking.ranking, "_BLOCK_SCORES", 60)
    done: list[int] = []
    blocked = rank_candidates(
        MatrixScorer(scores),
        relevant=lists(*relevant),
        excluded=CandidateLists.empty(11),
        depth=10,
        progress=done.append,
    )
    assert np.array_equal(blocked.ranks, whole.ranks)
    assert np.array_equal(blocked.top, whole.top)
    assert done == [2, 4, 6, 8, 10, 11]


@pytest.mark.parametrize("columns", [3, 500])
def test_nan_scores_raise(columns: int) -> None:
    for column in (0, columns // 2, columns - 1):
        scores = np.zeros((2, columns))
        scores[1, column] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            rank(scores, [[1], [1]])


def test_embeddings_score_by_dot_product() -> None:
    scorer = EmbeddingScorer(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[3.0, 1.0], [1.0, 1.0], [0.0, 2.0]]))
    assert scorer.candidates == 3
    assert scorer.scores(0, 2).tolist() == [[5, 3, 4], [1, 1, 2]]
    assert scorer.scores(1, 2).tolist() == [[1, 1, 2]]


def test_embeddings_that_are_not_finite_are_refused() -> None:
    fine, broken = np.ones((3, 2)), np.array([[1.0, 1.0], [np.nan, 1.0]])
    with pytest.raises(ValueError, match=r"1 candidate embeddings have NaN .* first is row 1"):
        EmbeddingScorer(fine, broken)
    with pytest.raises(ValueError, match="1 query embeddings"):
        EmbeddingScorer(broken, fine)
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2, 5\)"):
        EmbeddingScorer(fine, np.ones((2, 5)))
