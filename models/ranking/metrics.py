"""Retrieval metrics per query from ranks; the caller averages them over queries.

For a query with relevant candidates R, a relevant candidate at rank r is a hit at k if r ≤ k:

    recall@k    hits / |R|
    hit_rate@k  1 if there is a hit, else 0
    ndcg@k      Σ over hits 1 / log2(1 + r), divided by the same sum over ranks 1 … min(k, |R|)
    mrr@k       1 / (rank of the first hit), 0 without a hit
    map@k       Σ over hits (hits at ranks ≤ r) / r, divided by min(k, |R|)

and for the recommended lists as a whole:

    coverage@k         share of the catalogue that is among the first k of any query
    popularity_bias@k  mean over queries of the mean popularity of the first k, divided by the mean over queries of the
                       mean popularity of their histories (Abdollahpouri et al. 2019); 1 equals the queries' own
                       choices, above 1 is more popular
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.events.history import PADDING
from models.ragged import places_of, row_sums, rows_of

QUERY_METRICS = ("recall", "hit_rate", "ndcg", "mrr", "map")
"""Metrics with one value per query."""


def query_metrics(ranks: np.ndarray, offsets: np.ndarray, at: Sequence[int]) -> dict[str, np.ndarray]:
    """Values of `recall@k` … `map@k` for every query, each float64 `[queries]`.

    For example, `ranks` [1, 4, 2] with `offsets` [0, 2, 3] are two queries, with relevant candidates at ranks 1 and 4
    and at rank 2; `recall@3` is [0.5, 1.0].

    Args:
        ranks: rank of every relevant candidate, from 1, query by query, int64 `[relevant]`. Any value above the largest
            k means "further down".
        offsets: query `q` has `ranks[offsets[q]:offsets[q + 1]]`, at least one, int64 `[queries + 1]`.
        at: the cut-offs k.

    Raises:
        ValueError: a query has no relevant candidate.
    """
    relevant = np.diff(offsets)
    if (relevant < 1).any():
        raise ValueError(f"query {int(np.argmin(relevant))} has no relevant candidate: its metrics are undefined")
    query = rows_of(offsets)
    ranks = ranks[np.lexsort((ranks, query))]
    nth = places_of(offsets) + 1  # number of hits up to this rank
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
    """Mean of each metric over the queries selected by `where`."""
    return {name: float(of_query[where].mean()) for name, of_query in values.items()}


def coverage(top: np.ndarray, candidates: int, at: Sequence[int]) -> dict[str, float]:
    """`coverage@k`: share of the catalogue that is among the first k of any query.

    Args:
        top: candidate rows, best first, shorter lists padded with `PADDING`, `[queries, depth]`.
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
    """`popularity_bias@k` over the queries with a history; empty if the histories have no popularity at all.

    Args:
        top: as for `coverage`.
        histories: offsets `[queries + 1]` and candidate rows of each query's history.
        popularity: training events of each candidate, `[candidates]`.
        at: the cut-offs k.
    """
    offsets, rows = histories
    lengths = np.diff(offsets)
    usable = (lengths > 0) & (top[:, 0] != PADDING)
    sums = row_sums(popularity[rows], offsets)
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
    """Bootstrap confidence intervals of means over queries (Efron 1979); all columns use the same resampled queries.

    To compare two rankers, pass a column with their per-query differences.

    Args:
        values: `[queries, columns]`.
        seed: seed of the resampling.
        resamples: number of resamples.
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
