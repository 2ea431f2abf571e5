"""Exact ranking of the whole catalogue: blocks of queries are scored against every candidate that is not excluded.

Ties count against the ranker: a relevant candidate ranks behind all irrelevant ones with the same score, so a model
with constant scores gets the worst rank. Relevant candidates with equal scores keep their row order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.events.history import PADDING
from models.ragged import concatenate_ranges, offsets_of, places_of, rows_of
from models.ranking.sort_keys import NOTHING, from_sort_keys, sort_keys

_BLOCK_SCORES = 8_000_000
_GROUP = 16
_LOWEST = np.finfo(np.float32).min


class NotFiniteError(ValueError, FloatingPointError):
    """An embedding or a score is NaN or infinite."""


class Scorer(Protocol):
    """Scores all candidates for a fixed list of queries: the two towers, or a baseline."""

    candidates: int
    """Size of the catalogue."""

    def scores(self, start: int, stop: int) -> np.ndarray:
        """Finite scores of queries `start:stop`, float32 `[stop - start, candidates]`, which the caller may change."""


class EmbeddingScorer:
    """Scores by the dot product of query and candidate embeddings.

    Args:
        queries: float32 `[queries, dim]`.
        candidates: float32 `[candidates, dim]`.

    Raises:
        NotFiniteError: an embedding is not finite.
        ValueError: the widths differ.
    """

    def __init__(self, queries: np.ndarray, candidates: np.ndarray) -> None:
        if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
            raise ValueError(f"query {queries.shape} and candidate embeddings {candidates.shape} differ in width")
        for side, embeddings in (("query", queries), ("candidate", candidates)):
            broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
            if len(broken):
                raise NotFiniteError(
                    f"{len(broken)} {side} embeddings have NaN or infinite values; the first is row {broken[0]}"
                )
        self.candidates = len(candidates)
        self._queries = np.ascontiguousarray(queries, np.float32)
        self._candidates = np.ascontiguousarray(candidates, np.float32).T

    def scores(self, start: int, stop: int) -> np.ndarray:
        """See `Scorer`."""
        product: np.ndarray = self._queries[start:stop] @ self._candidates
        return product


@dataclass(frozen=True)
class CandidateLists:
    """A list of candidate rows for each query.

    Attributes:
        offsets: int64 `[queries + 1]`; query `q` has `rows[offsets[q]:offsets[q + 1]]`.
        rows: candidate rows, integers.
    """

    offsets: np.ndarray
    rows: np.ndarray

    @classmethod
    def empty(cls, queries: int) -> "CandidateLists":
        """Empty lists."""
        return cls(np.zeros(queries + 1, np.int64), np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, queries: np.ndarray) -> "CandidateLists":
        """The lists of some queries, in that order."""
        starts, ends = self.offsets[queries], self.offsets[queries + 1]
        return CandidateLists(offsets_of(ends - starts), self.rows[concatenate_ranges(starts, ends)[1]])

    def queries(self, start: int, stop: int) -> np.ndarray:
        """For queries `start:stop`, the query of every entry, counted from `start`."""
        return rows_of(self.offsets[start : stop + 1])

    def entries(self, start: int, stop: int) -> np.ndarray:
        """For queries `start:stop`, the candidate of every entry."""
        return self.rows[self.offsets[start] : self.offsets[stop]]


@dataclass(frozen=True)
class Ranking:
    """The result of ranking all candidates for each query.

    Attributes:
        ranks: rank of every relevant candidate, from 1, in the order of the relevant lists, int64 `[relevant]`. The
            value depth + 1 means "below the requested depth".
        top: the best candidates that are not excluded, best first, equal scores by row, int32
            `[queries, min(depth, candidates)]`. Shorter lists are padded with `PADDING`.
    """

    ranks: np.ndarray
    top: np.ndarray


def rank_candidates(
    scorer: Scorer,
    *,
    relevant: CandidateLists,
    excluded: CandidateLists,
    depth: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Ranking:
    """Ranks the whole catalogue for every query.

    Memory: one block of scores (32 MB) plus the lists. Time: little more than the matrix product (see `top_k`).

    Args:
        scorer: scores the queries of `relevant` and `excluded`.
        relevant: candidates to be found; each occurs once per query and is not excluded.
        excluded: candidates left out of the ranking, such as those already seen.
        depth: ranks are exact down to this depth.
        progress: called after each block with the number of queries done.

    Raises:
        NotFiniteError: a score is NaN.
        ValueError: a relevant candidate is excluded.
    """
    ranks = np.empty(len(relevant.rows), np.int64)
    top = np.empty((len(relevant), min(depth, scorer.candidates)), np.int32)
    for start, stop in _blocks(len(relevant), scorer.candidates):
        scores = scorer.scores(start, stop)
        scores[excluded.queries(start, stop), excluded.entries(start, stop)] = -np.inf
        top[start:stop], best = top_k(scores, top.shape[1])
        ranks[relevant.offsets[start] : relevant.offsets[stop]] = _ranks(
            scores, best, query=relevant.queries(start, stop), candidate=relevant.entries(start, stop), depth=depth
        )
        progress(stop)
    return Ranking(ranks, top)


def best_candidates(scorer: Scorer, *, excluded: CandidateLists, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The best candidates of every query and their scores.

    Args:
        scorer: scores the queries of `excluded`.
        excluded: candidates left out.
        count: number of answers, clipped to the number of candidates.

    Returns:
        Rows int32 and scores float32, both `[queries, count]`, best first, equal scores by row. If fewer candidates are
        left, the rows end in `PADDING` and the scores in float32.min.

    Raises:
        NotFiniteError: a score is NaN.
    """
    rows = np.empty((len(excluded), min(count, scorer.candidates)), np.int32)
    best = np.empty(rows.shape, np.float32)
    for start, stop in _blocks(len(excluded), scorer.candidates):
        scores = scorer.scores(start, stop)
        scores[excluded.queries(start, stop), excluded.entries(start, stop)] = -np.inf
        rows[start:stop], best[start:stop] = top_k(scores, rows.shape[1])
    best[rows == PADDING] = _LOWEST
    return rows, best


def top_k(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of every row, best first, equal scores by column; -inf is never selected.

    Columns are divided into groups. The k-th largest group maximum is a lower bound of the k-th best score, so only the
    few columns that reach the bound are sorted. This takes a third of the time of `np.argpartition`.

    For example, `scores` [[0.1, 0.9, 0.4], [0.5, 0.5, -inf], [0.2, 0.3, 0.3]] with k = 2 give the columns
    [[1, 2], [0, 1], [1, 2]].

    Args:
        scores: float32 `[rows, columns]`.
        k: at most the number of columns.

    Returns:
        Columns, int32 `[rows, k]`, and their scores; a row with fewer columns is padded with `PADDING` and -inf.

    Raises:
        NotFiniteError: a score is NaN.
    """
    bound = np.maximum(_lower_bounds(scores, k), _LOWEST)
    reached = scores >= bound[:, None]
    crowded = np.empty(0, np.int64)
    if np.count_nonzero(reached) > 4 * k * len(scores):
        # Many columns share the bound, as with counts or zeros. Such rows are processed one by one.
        crowded = np.flatnonzero(np.count_nonzero(reached, axis=1) > 4 * k)
        reached[crowded] = False
    flat = np.flatnonzero(reached)
    row, column = np.divmod(flat, scores.shape[1])
    sizes = np.bincount(row, minlength=len(scores))
    position = places_of(offsets_of(sizes))
    keys = np.full((len(scores), max(k, int(sizes.max(initial=0)))), NOTHING)
    keys[row, position] = sort_keys(scores[row, column], column)
    keys.sort(axis=1)
    for index in crowded:
        best = _best_of_crowded(scores[index], bound[index], k)
        keys[index, : len(best)] = best
    return from_sort_keys(keys[:, :k])


def _blocks(queries: int, candidates: int) -> Iterator[tuple[int, int]]:
    size = max(1, _BLOCK_SCORES // max(candidates, 1))
    for start in range(0, queries, size):
        yield start, min(start + size, queries)


def _lower_bounds(scores: np.ndarray, k: int) -> np.ndarray:
    """A lower bound of each row's k-th best score, as tight as is cheap to compute."""
    rows, columns = scores.shape
    group = min(_GROUP, columns // (2 * k))
    maxima = scores
    if group > 1:
        grouped = columns // group * group
        maxima = scores[:, :grouped].reshape(rows, group, -1).max(axis=1)
        maxima = np.concatenate([maxima, scores[:, grouped:]], axis=1)
    if np.isnan(maxima).any():  # the maximum of a group with a NaN is NaN
        raise NotFiniteError(f"scores of row {int(np.argmax(np.isnan(maxima).any(axis=1)))} of the block contain NaN")
    kth = maxima.shape[1] - k
    bounds: np.ndarray = np.partition(maxima, kth, axis=1)[:, kth]
    return bounds


def _best_of_crowded(scores: np.ndarray, bound: np.float32, k: int) -> np.ndarray:
    """Ascending sort keys of the k best columns of a row in which many columns equal `bound`."""
    above = np.flatnonzero(scores > bound)
    level = np.flatnonzero(scores == bound)[: max(k - len(above), 0)]
    columns = np.concatenate([above, level])
    return np.sort(sort_keys(scores[columns], columns))[:k]


def _ranks(scores: np.ndarray, best: np.ndarray, *, query: np.ndarray, candidate: np.ndarray, depth: int) -> np.ndarray:
    own = scores[query, candidate]
    if np.isneginf(own).any():
        raise ValueError("a relevant candidate is also excluded")
    last = best[query, -1]
    ranks = np.full(len(own), depth + 1, np.int64)
    inside = np.flatnonzero(own >= last)
    reaching = np.count_nonzero(best[query[inside]] >= own[inside, None], axis=1)
    # If the list ends amid equal scores, only the whole row shows how many columns share the last score.
    at_end = own[inside] == last[inside]
    rows, back = np.unique(query[inside][at_end], return_inverse=True)
    reaching[at_end] = np.count_nonzero(scores[rows] >= best[rows, -1:], axis=1)[back]
    ranks[inside] = reaching - _later_equals(query, own, candidate)[inside]
    return np.minimum(ranks, depth + 1)


def _later_equals(query: np.ndarray, own: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Number of relevant candidates of the same query with an equal score and a larger row, for each of them."""
    order = np.lexsort((candidate, own, query))
    new = np.flatnonzero((np.diff(query[order]) != 0) | (np.diff(own[order]) != 0)) + 1
    starts = np.concatenate([[0], new]).astype(np.int64)
    sizes = np.diff(np.concatenate([starts, [len(order)]]))
    later = np.empty(len(order), np.int64)
    later[order] = np.repeat(starts + sizes, sizes) - np.arange(len(order)) - 1
    return later
