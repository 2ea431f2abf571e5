"""EASE: a linear model from each candidate of the history to every other one, solved in closed form."""

import numpy as np
from scipy.linalg import lapack

from models.ranking.baselines import incidence
from models.ranking.ranking import CandidateLists


def ease_weights(interactions: CandidateLists, candidates: int, *, ridge: float) -> np.ndarray:
    """Item-to-item weights of a ridge regression whose diagonal is zero (EASE, Steck 2019).

    With P = (XᵀX + ridge·I)⁻¹ the weight from i to j is −P_ij / P_jj. The cost is that of inverting a dense matrix of
    the side of the catalogue: 3.2 GB and some minutes for 20,000 candidates.

    Args:
        interactions: training candidates of each query; repeats count once.
        candidates: size of the catalogue.
        ridge: regularisation, above 0.

    Returns:
        float32 `[candidates, candidates]`; row = candidate in the history, column = scored candidate.
    """
    by_query = incidence(interactions, candidates)
    gram = np.zeros((candidates, candidates), order="F")
    (by_query.T @ by_query).astype(np.float64).toarray(out=gram)
    gram[np.diag_indices_from(gram)] += ridge
    factor, failed = lapack.dpotrf(gram, lower=True, overwrite_a=True)
    inverse, failed_too = lapack.dpotri(factor, lower=True, overwrite_c=True)
    if failed or failed_too:
        raise ValueError(f"ridge {ridge} is too small for a matrix that can be inverted")
    weights: np.ndarray = np.tril(inverse.astype(np.float32))  # LAPACK fills the lower triangle alone
    diagonal = np.diag(weights).copy()
    weights += np.tril(weights, -1).T
    weights /= -diagonal
    np.fill_diagonal(weights, 0)
    return weights
