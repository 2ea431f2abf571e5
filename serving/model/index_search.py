"""Searches the index of an exported ScaNN model with the embeddings of many queries at a time."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from models.events.history import PADDING
from models.ranking.ranking import CandidateLists, EmbeddingScorer, best_candidates

_BLOCK = 1024  # queries of one search; all get as many answers as the most demanding query needs


class IndexSearch:
    """The search inside a ScaNN serving model."""

    def __init__(self, model: Path) -> None:
        """Loads the model."""
        import scann  # noqa: F401  registers the operations that the model needs

        self._model = tf.saved_model.load(str(model))

    def best_candidates(
        self, queries: np.ndarray, candidates: np.ndarray, *, excluded: CandidateLists, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best candidates of every query that are not excluded, at the recall of the index.

        Searches for as many more candidates as are excluded, then drops the excluded ones. A query for which the index
        finds too few is answered by exact search.

        Args:
            queries: float32 `[queries, dim]`.
            candidates: float32 `[candidates, dim]`, the vectors of the index.
            excluded: candidates to leave out, by query.
            count: number of answers, at most the number of candidates.

        Returns:
            As `models.ranking.ranking.best_candidates`.
        """
        rows = np.full((len(queries), count), PADDING, np.int32)
        scores = np.empty(rows.shape, np.float32)
        lengths = np.diff(excluded.offsets)
        # Queries with similar numbers of excluded candidates share a search.
        order = np.argsort(lengths, kind="stable")
        for start in range(0, len(queries), _BLOCK):
            block = order[start : start + _BLOCK]
            asked = min(count + int(lengths[block[-1]]), len(candidates))
            found, found_scores = (values.numpy() for values in self._model.find(queries[block], asked))
            kept = ~_is_excluded(found, excluded, block)
            kept &= np.cumsum(kept, axis=1, dtype=np.int32) <= count
            enough = np.count_nonzero(kept, axis=1) == count
            kept &= enough[:, None]
            rows[block[enough]] = found[kept].reshape(-1, count)
            scores[block[enough]] = found_scores[kept].reshape(-1, count)
        short = np.flatnonzero(rows[:, 0] == PADDING)
        if len(short):
            scorer = EmbeddingScorer(queries[short], candidates)
            rows[short], scores[short] = best_candidates(scorer, excluded=excluded.take(short), count=count)
        return rows, scores


def _is_excluded(found: np.ndarray, excluded: CandidateLists, queries: np.ndarray) -> np.ndarray:
    """Which of `found` are padding or excluded, in `found`'s shape; lists of later `queries` are never shorter."""
    out: np.ndarray = found == PADDING
    starts = excluded.offsets[queries]
    lengths = excluded.offsets[queries + 1] - starts
    for place in range(int(lengths[-1])):
        # Compares a whole column at once: lists are short, and searching in each takes ten times as long.
        first = np.searchsorted(lengths, place, side="right")
        out[first:] |= found[first:] == excluded.rows[starts[first:] + place, None]
    return out
