"""Recall of a search against exact search."""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from models.retrieval.index import ExactSearch

SearchFunction = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

_BLOCK = 256  # queries searched at a time


class RecallMeter:
    """Measures the recall of searches over one catalogue with one set of queries; exact search runs only once.

    A candidate as good as the last exact answer counts as found, because the order of equal scores is arbitrary. Scores
    are computed here and not taken from the measured search.
    """

    def __init__(
        self,
        exact: ExactSearch,
        queries: np.ndarray,
        counts: tuple[int, ...],
        *,
        asked: int,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Runs exact search.

        Args:
            exact: search over the catalogue.
            queries: float32 `[queries, dim]`, at least one.
            counts: the k of each recall@k, none above `asked`.
            asked: number of answers requested from a search, at most the number of candidates.
            progress: called with the number of queries that exact search has answered.
        """
        self.queries = queries
        self._embeddings = exact.embeddings
        self._counts, self._asked = counts, tf.constant(asked)
        longest = math.sqrt(np.einsum("nd,nd->n", exact.matrix, exact.matrix).max())
        ends = [count - 1 for count in counts]
        best = []
        for part in self._blocks():
            best.append(exact.search(part, self._asked)[1].numpy()[:, ends])
            progress(sum(map(len, best)))
        # The two products round differently; the error is proportional to the lengths of the vectors.
        rounding = 1e-6 * longest * np.linalg.norm(queries, axis=1, keepdims=True)
        self._least = np.concatenate(best) - rounding

    def recall(self, search: SearchFunction) -> dict[int, np.ndarray]:
        """Each query's share of its exact answers that `search` finds, float64 `[queries]`, by count."""
        found = [_true_scores(part, search(part, self._asked)[0], self._embeddings).numpy() for part in self._blocks()]
        scores = np.concatenate(found)
        return {
            count: (scores[:, :count] >= self._least[:, column, None]).mean(axis=1)
            for column, count in enumerate(self._counts)
        }

    def _blocks(self) -> list[tf.Tensor]:
        return [tf.constant(self.queries[start : start + _BLOCK]) for start in range(0, len(self.queries), _BLOCK)]


def _true_scores(queries: tf.Tensor, rows: tf.Tensor, embeddings: tf.Variable) -> tf.Tensor:
    # Reads the value first, because gathering from the variable would copy it now and at every later read.
    scores = tf.einsum("bd,bkd->bk", queries, tf.gather(embeddings.read_value(), tf.maximum(rows, 0)))
    return tf.where(rows < 0, tf.float32.min, scores)
