"""Exact metrics on the validation events, to choose the weights to keep.

The full catalogue is ranked, in blocks of queries; seen candidates are taken out; a candidate that scores the same
as the target counts as ranked before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_BLOCK_SCORES = 2**24
CUTOFFS = (10, 20, 50)


@dataclass(frozen=True)
class Targets:
    """What has to be found.

    Attributes:
        row: query of each target, ascending, int64 `[targets]`.
        candidate: candidate row of each target, `[targets]`.
        seen_row: query of each seen candidate, ascending, int64 `[seen]`.
        seen: candidate rows that are not recommended, `[seen]`.
    """

    row: np.ndarray
    candidate: np.ndarray
    seen_row: np.ndarray
    seen: np.ndarray


def ranks(queries: np.ndarray, candidates: np.ndarray, targets: Targets) -> np.ndarray:
    """Place of every target in its query's ranking, 0 the best, int64 `[targets]`.

    Args:
        queries: embeddings `[queries, dim]`.
        candidates: embeddings `[candidates, dim]`.
        targets: what to find and what to leave out.
    """
    places = np.empty(len(targets.row), np.int64)
    size = max(1, _BLOCK_SCORES // len(candidates))
    for start in range(0, len(queries), size):
        scores = queries[start : start + size] @ candidates.T
        seen = slice(*np.searchsorted(targets.seen_row, [start, start + size]))
        wanted = slice(*np.searchsorted(targets.row, [start, start + size]))
        rows = targets.row[wanted] - start
        own = scores[rows, targets.candidate[wanted]]
        scores[targets.seen_row[seen] - start, targets.seen[seen]] = -np.inf
        # "Not lower" also counts ties, and everything if the target's score is not a number.
        places[wanted] = [np.count_nonzero(~(scores[row] < score)) - 1 for row, score in zip(rows, own, strict=True)]
    return places


def ranking_metrics(places: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Recall and NDCG at the `CUTOFFS`, averaged over queries; recall's divisor is the number of targets.

    Args:
        places: as `ranks` returns them, `[targets]`.
        rows: query of each target, `[targets]`.
    """
    _, query, sizes = np.unique(rows, return_inverse=True, return_counts=True)
    discounts = 1 / np.log2(np.arange(2, max(CUTOFFS) + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    metrics = {}
    for k in CUTOFFS:
        hits = places < k
        gains = np.where(hits, discounts[np.minimum(places, k - 1)], 0.0)
        metrics[f"recall@{k}"] = float(np.mean(np.bincount(query, hits) / sizes))
        metrics[f"ndcg@{k}"] = float(np.mean(np.bincount(query, gains) / ideal[np.minimum(sizes, k)]))
    return metrics
