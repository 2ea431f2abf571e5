"""How much of each query's answers another model gives as well."""

from collections.abc import Mapping

import numpy as np

from components.evaluator.measuring import intervals_of
from dataplane.artifacts.evaluation import Churn
from models.events.history import PADDING


def churn(ours: np.ndarray, theirs: np.ndarray, *, seed: int) -> Churn:
    """Compares the first candidates of two models for the same queries.

    Args:
        ours: candidates of each query by the new model, `[queries, k]`, `PADDING` at the end.
        theirs: those of the served model.
        seed: seed of the intervals' resampling.
    """
    values = shared(ours, theirs)
    (bounds,) = intervals_of([values], list(values), seed=seed)
    return Churn(
        k=ours.shape[1],
        queries=len(ours),
        overlap=float(values["overlap"].mean()),
        jaccard=float(values["jaccard"].mean()),
        intervals=bounds,
    )


def shared(ours: np.ndarray, theirs: np.ndarray) -> Mapping[str, np.ndarray]:
    """Overlap and Jaccard index of each query's two lists, float64 `[queries]`.

    For example, [1, 2, 3] and [3, 4, 1] share 2 of 3 candidates, overlap 2/3, and have 4 together, Jaccard 2/4. The
    overlap is the share of the longer list. Two empty lists are equal.
    """
    lengths = [np.count_nonzero(it != PADDING, axis=1) for it in (ours, theirs)]
    together = np.sort(np.concatenate([ours, theirs], axis=1), axis=1)
    common = np.count_nonzero((together[:, 1:] == together[:, :-1]) & (together[:, 1:] != PADDING), axis=1)
    longest, union = np.maximum(*lengths), lengths[0] + lengths[1] - common
    empty = longest == 0
    return {
        "overlap": np.where(empty, 1.0, common / np.maximum(longest, 1)),
        "jaccard": np.where(empty, 1.0, common / np.maximum(union, 1)),
    }
