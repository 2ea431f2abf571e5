"""Histories of queries, and scores that are linear in them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from dataplane.dataset.sequences import Events


@dataclass(frozen=True)
class History:
    """What is known of the queries that are asked.

    Attributes:
        events: seen events of all queries, in order.
        rows: the queries that are asked, ascending.
    """

    events: Events
    rows: np.ndarray

    def matrix(self, candidates: int, recency: float = 1.0) -> sparse.csr_matrix:
        """Weight of each candidate in each history, `[rows, candidates]`.

        An event of age a, counted back from the latest, weighs `recency ** a`. A repeated candidate has the weight of
        its latest event: the history 7, 5, 7 with a recency of 0.5 weighs 7 with 1 and 5 with 0.5.
        """
        offsets = self.events.offsets
        sizes = np.diff(offsets)[self.rows]
        query = np.repeat(np.arange(len(self.rows)), sizes)
        starts = np.cumsum(sizes) - sizes
        place = np.arange(len(query)) - np.repeat(starts, sizes)
        candidate = self.events.candidate[np.repeat(offsets[self.rows], sizes) + place]
        weight = recency ** (np.repeat(sizes, sizes) - 1 - place)
        latest = np.lexsort((-weight, candidate, query))
        cell = query[latest] * candidates + candidate[latest]
        first = latest[np.concatenate([[True], np.diff(cell) != 0])[: len(cell)]]
        cells = (query[first], candidate[first])
        return sparse.csr_matrix((weight[first].astype(np.float32), cells), shape=(len(self.rows), candidates))


class LinearScorer:
    """Scores by the product of weighted histories and item-to-item weights.

    Args:
        histories: `[queries, candidates]`.
        weights: `[candidates, candidates]`, dense or sparse.
    """

    def __init__(self, histories: sparse.csr_matrix, weights: Any) -> None:
        self.candidates = weights.shape[1]
        self._histories, self._weights = histories, weights

    def scores(self, start: int, stop: int) -> np.ndarray:
        """See `models.ranking.ranking.Scorer`."""
        product = self._histories[start:stop] @ self._weights
        dense: np.ndarray = product.toarray() if sparse.issparse(product) else np.asarray(product)
        return dense
