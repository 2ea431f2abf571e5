"""Asking the index of an exported ScaNN model with embeddings, many queries at a time."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from models.history import PADDING
from models.ranking import CandidateLists, EmbeddingScorer, best_candidates

_BLOCK = 1024  # queries asked at once; all of a block are asked for as many answers as any of them needs
_LOWEST = np.finfo(np.float32).min


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

        Asks for as many more as are excluded and takes those out. A query for which the index finds too few is
        answered exactly.

        Args:
            queries: float32 `[queries, dim]`.
            candidates: float32 `[candidates, dim]`, what the index was built of.
            excluded: what is left out.
            count: answers wanted, at most the number of candidates.

        Returns:
            As `models.ranking.best_candidates`.
        """
        rows = np.empty((len(queries), count), np.int32)
        scores = np.empty(rows.shape, np.float32)
        lengths = np.diff(excluded.offsets)
        # Queries that exclude about as many are asked together.
        order = np.argsort(lengths, kind="stable")
        for start in range(0, len(queries), _BLOCK):
            block = order[start : start + _BLOCK]
            asked = min(count + int(lengths[block].max()), len(candidates))
            found, found_scores = (values.numpy() for values in self._model.find(queries[block], asked))
            out = (found == PADDING) | _is_among(found, excluded, block, len(candidates))
            kept = np.argsort(out, axis=1, kind="stable")[:, :count]
            gone = np.take_along_axis(out, kept, axis=1)
            rows[block] = np.where(gone, PADDING, np.take_along_axis(found, kept, axis=1))
            scores[block] = np.where(gone, _LOWEST, np.take_along_axis(found_scores, kept, axis=1))
        short = np.flatnonzero((rows == PADDING).any(axis=1))
        if len(short):
            scorer = EmbeddingScorer(queries[short], candidates)
            rows[short], scores[short] = best_candidates(scorer, excluded=_of(excluded, short), count=count)
        return rows, scores


def _of(lists: CandidateLists, queries: np.ndarray) -> CandidateLists:
    """The lists of some queries."""
    parts = [lists.entries(query, query + 1) for query in queries]
    return CandidateLists(np.concatenate([[0], np.cumsum([len(part) for part in parts])]), np.concatenate(parts))


def _is_among(found: np.ndarray, lists: CandidateLists, queries: np.ndarray, candidates: int) -> np.ndarray:
    """Which rows found for `queries` are in the query's list, bool of the shape of `found`."""
    listed = _of(lists, queries)
    place = np.arange(len(queries), dtype=np.int64)
    keys = np.sort(np.repeat(place, np.diff(listed.offsets)) * candidates + listed.rows)
    if len(keys) == 0:
        return np.zeros(found.shape, bool)
    wanted = place[:, None] * candidates + found
    among: np.ndarray = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted
    return among
