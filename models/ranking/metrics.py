"""Retrieval metrics from ranks, averaged over queries by whoever reports them.

For a query with relevant candidates R, of which the one at rank r is hit at k when r ≤ k:

    recall@k    hits / |R|
    hit_rate@k  1 if there is a hit, else 0
    ndcg@k      Σ over hits 1 / log2(1 + r), divided by the same sum over ranks 1 … min(k, |R|)
    mrr@k       1 / (rank of the first hit), 0 without one
    map@k       Σ over hits (hits at ranks ≤ r) / r, divided by min(k, |R|)

and of the lists recommended:

    coverage@k         share of the catalogue that is in the first k of any query
    popularity_bias@k  mean popularity of the first k, relative to that of the query's own history: the mean over
                       queries of the one divided by the mean over queries of the other (Abdollahpouri et al. 2019);
                       1 is what the queries themselves choose, above 1 more popular
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.events.history import PADDING

QUERY_METRICS = ("recall", "hit_rate", "ndcg", "mrr", "map")
"""Metrics that every query has a value of."""


def query_metrics(ranks: np.ndarray, offsets: np.ndarray, at: Sequence[int]) -> dict[str, np.ndarray]:
    """Values of `recall@k` … `map@k` of every query, each float64 `[queries]`.

    Args:
        ranks: rank of every relevant candidate, from 1, queries one after the other, int64 `[relevant]`; any value
            above the largest k stands for "further down".
        offsets: query `q` has `ranks[offsets[q]:offsets[q + 1]]`, at least one, int64 `[queries + 1]`.
        at: the cut-offs k.

    Raises:
        ValueError: a query has no relevant candidate.
    """
    relevant = np.diff(offsets)
    if (relevant < 1).any():
        raise ValueError(f"query {int(np.argmin(relevant))} has no relevant candidate: its metrics are undefined")
    query = np.repeat(np.arange(len(relevant)), relevant)
    ranks = ranks[np.lexsort((ranks, query))]
    nth = np.arange(len(ranks)) - np.repeat(offsets[:-1], relevant) + 1  # hits at this rank or above
    deepest = min(max(at), int(relevant.max(initial=1)))
    ideal = np.cumsum(1 / np.log2(np.arange(2, deepest + 2)))
    first = ranks[offsets[:-1]]
    values = {}
    for k in at:
        hit = ranks <= k

        def total(of_hits: np.ndarray, hit: np.ndarray = hit) -> np.ndarray:
            return np.bincount(query[hit], weights=of_hits[hit], minlength=len(relevant))

        possible = np.minimum(k, relevant)
        values[f"recall@{k}"] = total(np.ones(len(ranks))) / relevant
        values[f"hit_rate@{k}"] = (first <= k).astype(np.float64)
        values[f"ndcg@{k}"] = total(1 / np.log2(1.0 + ranks)) / ideal[possible - 1]
        values[f"mrr@{k}"] = np.where(first <= k, 1 / first, 0.0)
        values[f"map@{k}"] = total(nth / ranks) / possible
    return values


def mean_metrics(values: Mapping[str, np.ndarray], where: np.ndarray | slice = slice(None)) -> dict[str, float]:
    """Mean of each metric over the queries chosen by `where`."""
    return {name: float(of_query[where].mean()) for name, of_query in values.items()}


def coverage(top: np.ndarray, candidates: int, at: Sequence[int]) -> dict[str, float]:
    """`coverage@k`: share of the catalogue that is among the first k of any query.

    Args:
        top: candidate rows, best first, `PADDING` where a list is shorter, `[queries, depth]`.
        candidates: size of the catalogue.
        at: the cut-offs k.
    """
    best = np.full(candidates, top.shape[1])
    for position in reversed(range(top.shape[1])):
        rows = top[:, position]
        best[rows[rows != PADDING]] = position
    return {f"coverage@{k}": float((best < min(k, top.shape[1])).mean()) for k in at}


def popularity_bias(
    top: np.ndarray, histories: tuple[np.ndarray, np.ndarray], popularity: np.ndarray, at: Sequence[int]
) -> dict[str, float]:
    """`popularity_bias@k` over the queries that have a history; empty where none has one of any popularity.

    Args:
        top: as for `coverage`.
        histories: offsets `[queries + 1]` and candidate rows of what each query interacted with.
        popularity: training events of each candidate, `[candidates]`.
        at: the cut-offs k.
    """
    offsets, rows = histories
    lengths = np.diff(offsets)
    usable = (lengths > 0) & (top[:, 0] != PADDING)
    sums = np.diff(np.concatenate([[0], np.cumsum(popularity[rows], dtype=np.int64)])[offsets])
    own = float((sums[usable] / lengths[usable]).mean()) if usable.any() else 0.0
    if own == 0:
        return {}
    filled = top[usable] != PADDING
    recommended = np.cumsum(np.where(filled, popularity[top[usable]], 0), axis=1, dtype=np.int64)
    numbers = np.cumsum(filled, axis=1)
    last = [min(k, top.shape[1]) - 1 for k in at]
    return {
        f"popularity_bias@{k}": float((recommended[:, i] / numbers[:, i]).mean()) / own
        for k, i in zip(at, last, strict=True)
    }


def paired_interval(
    values: np.ndarray, *, seed: int, resamples: int = 1000, level: float = 0.95
) -> list[tuple[float, float]]:
    """Bootstrap confidence intervals of means over queries, all from the same resamples of queries.

    Pairing comes from the columns: put per-query differences of two rankers in one of them.

    Args:
        values: `[queries, columns]`.
        seed: of the resampling.
        resamples: how many.
        level: probability mass of the interval.

    Returns:
        Lower and upper percentile of each column's mean.
    """
    rng = np.random.default_rng(seed)
    queries = len(values)
    means = np.empty((resamples, values.shape[1]))
    for index in range(resamples):
        means[index] = np.bincount(rng.integers(0, queries, queries), minlength=queries) @ values / queries
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
