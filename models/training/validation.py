"""Exact metrics on held-out events, computed outside the training step, to select the weights to keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

from models.ranking.metrics import mean_metrics, query_metrics
from models.ranking.ranking import CandidateLists, EmbeddingScorer, NotFiniteError, rank_candidates
from models.training.batches import Columns

_ROWS = 512
"""Rows embedded at a time, because the memory of self-attention grows with the square of the history length."""
CUTOFFS = (10, 20, 50)


class Embedder(Protocol):
    """A tower that embeds columns of tensors."""

    def __call__(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embeddings `[rows, dim]`."""


@dataclass(frozen=True)
class Validation:
    """Queries and the candidates that should be found for them in the full catalogue.

    Attributes:
        queries: inputs of the query tower, each `[queries, width]`.
        candidates: inputs of the candidate tower, each `[candidates, width]`.
        relevant: held-out candidates of each query, at least one and none excluded.
        excluded: candidates that are not recommended to each query.
    """

    queries: Columns
    candidates: Columns
    relevant: CandidateLists
    excluded: CandidateLists

    def metrics(self, query_tower: Embedder, candidate_tower: Embedder) -> dict[str, float]:
        """See `metrics_of`, of the embeddings by two towers."""
        return self.metrics_of(*self.embedded(query_tower, candidate_tower))

    def embedded(self, query_tower: Embedder, candidate_tower: Embedder) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of the queries and of the candidates, float32 `[rows, dim]`."""
        return embed(query_tower, self.queries), embed(candidate_tower, self.candidates)

    def metrics_of(self, queries: np.ndarray, candidates: np.ndarray) -> dict[str, float]:
        """Mean recall and NDCG over the queries at the `CUTOFFS`; ties count against the embeddings.

        Raises:
            NotFiniteError: an embedding or a score is not finite.
        """
        try:
            scorer = EmbeddingScorer(queries, candidates)
            ranking = rank_candidates(scorer, relevant=self.relevant, excluded=self.excluded, depth=max(CUTOFFS))
        except NotFiniteError as error:
            raise NotFiniteError(
                f"the model diverged: {error}. Lower training.learning_rate, or look for extreme values in numeric and "
                "vector features"
            ) from error
        means = mean_metrics(query_metrics(ranking.ranks, self.relevant.offsets, CUTOFFS))
        return {f"{name}@{k}": means[f"{name}@{k}"] for name in ("recall", "ndcg") for k in CUTOFFS}


def embed(tower: Embedder, columns: Columns) -> np.ndarray:
    """Embeddings of all rows, float32 `[rows, dim]`, computed in slices."""
    rows = len(next(iter(columns.values())))
    slices = [
        tower({name: tf.convert_to_tensor(values[start : start + _ROWS]) for name, values in columns.items()}).numpy()
        for start in range(0, rows, _ROWS)
    ]
    return np.concatenate(slices)
