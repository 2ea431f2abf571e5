"""Baselines that a model should beat: popularity and item-based nearest neighbours, as scorers."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import sparse

from models.ragged import offsets_of
from models.ranking.ranking import CandidateLists
from models.ranking.sort_keys import NOTHING, from_sort_keys, sort_keys

_BLOCK_PAIRS = 20_000_000


class PopularityScorer:
    """Scores every candidate by its number of training events, the same for every query.

    Args:
        counts: training events of each candidate, int `[candidates]`.
    """

    def __init__(self, counts: np.ndarray) -> None:
        self.candidates = len(counts)
        # Ranks instead of counts, because float32 cannot represent all large integers.
        self._popularity_ranks = np.unique(counts, return_inverse=True)[1].astype(np.float32)

    def scores(self, start: int, stop: int) -> np.ndarray:
        """See `models.ranking.ranking.Scorer`."""
        return np.tile(self._popularity_ranks, (stop - start, 1))


class ItemToItemScorer:
    """Scores a candidate by the sum of its weights from the candidates of the query's history.

    Args:
        weights: dense or sparse, such as `item_similarities`; row = candidate in the history, column = scored one.
        histories: the candidates each query interacted with; repeats count once.
    """

    def __init__(self, weights: sparse.csr_matrix | np.ndarray, histories: CandidateLists) -> None:
        self.candidates = weights.shape[1]
        self._weights = weights
        self._histories = incidence(histories, self.candidates)

    def scores(self, start: int, stop: int) -> np.ndarray:
        """See `models.ranking.ranking.Scorer`."""
        product = self._histories[start:stop] @ self._weights
        dense: np.ndarray = product.toarray() if sparse.issparse(product) else product
        return dense


def recent_counts(candidate: np.ndarray, timestamp: np.ndarray, candidates: int, *, window: int) -> np.ndarray:
    """Orders candidates by their events within a window before the newest event, and equal ones by all their events.

    Args:
        candidate: candidate of each event.
        timestamp: time of each event.
        candidates: size of the catalogue.
        window: length of the window, in the unit of the timestamps.

    Returns:
        Whole numbers to rank by, int64 `[candidates]`.
    """
    total = np.bincount(candidate, minlength=candidates)
    recent = np.bincount(candidate[timestamp > timestamp.max() - window], minlength=candidates)
    counts: np.ndarray = recent * (int(total.max()) + 1) + total
    return counts


def co_occurrences(interactions: CandidateLists) -> int:
    """Number of event pairs that `item_similarities` processes: Σ over queries of (events)²."""
    return int((np.diff(interactions.offsets).astype(np.int64) ** 2).sum())


def item_similarities(
    interactions: CandidateLists, candidates: int, *, neighbours: int = 100, shrinkage: float = 10.0
) -> sparse.csr_matrix:
    """Shrunk cosine similarity of candidates by the queries they share (item-based k-NN, Sarwar et al. 2001).

    sim(i, j) = |queries of both| / (√(|queries of i| · |queries of j|) + shrinkage), for i ≠ j.

    Args:
        interactions: training candidates of each query.
        candidates: size of the catalogue.
        neighbours: number of most similar candidates kept for each scored candidate; ties are broken by row.
        shrinkage: reduces similarities that rest on few queries.

    Returns:
        float32 `[candidates, candidates]`, column `j` has the neighbours of `j`.
    """
    by_query = incidence(interactions, candidates)
    by_candidate = by_query.T.tocsr()
    lengths = np.sqrt(np.asarray(by_query.sum(axis=0)).ravel())
    blocks = [
        _nearest((by_candidate[start:stop] @ by_query).tocsr(), start, lengths, neighbours, shrinkage)
        for start, stop in _blocks(by_candidate @ np.asarray(by_query.sum(axis=1)).ravel())
    ]
    return sparse.vstack(blocks, format="csr").T.tocsr()


def _blocks(work: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about equal work, so that memory is bounded."""
    part = np.cumsum(work, dtype=np.float64) // _BLOCK_PAIRS
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(part)) + 1, [len(work)]]).tolist()
    yield from pairwise(bounds)


def _nearest(
    shared: sparse.csr_matrix, start: int, lengths: np.ndarray, neighbours: int, shrinkage: float
) -> sparse.csr_matrix:
    """Keeps the largest similarities of each row. `shared` counts the queries that two candidates share."""
    row = np.repeat(np.arange(start, start + shared.shape[0]), np.diff(shared.indptr))
    similarity = (shared.data / (lengths[row] * lengths[shared.indices] + shrinkage)).astype(np.float32)
    keys = sort_keys(similarity, shared.indices)
    keys[row == shared.indices] = NOTHING
    kept = [
        np.sort(keys[first:end])[: min(neighbours, end - first - 1)]  # minus the candidate itself
        for first, end in pairwise(shared.indptr.tolist())
    ]
    column, similarity = from_sort_keys(np.concatenate(kept))
    offsets = offsets_of(np.array([len(keys) for keys in kept], np.int64))
    return sparse.csr_matrix((similarity, column, offsets), shape=shared.shape)


def incidence(lists: CandidateLists, candidates: int) -> sparse.csr_matrix:
    """1 for each candidate of a list, float32 `[lists, candidates]`; repeats count once."""
    ones = np.ones(len(lists.rows), np.float32)
    matrix = sparse.csr_matrix((ones, lists.rows, lists.offsets), shape=(len(lists), candidates), copy=True)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
