"""Matrix factorisation of implicit feedback by alternating least squares (iALS, Hu, Koren & Volinsky 2008).

Minimises Σ over all pairs of (s − r)², in which an observed pair (r = 1) weighs 1 + alpha and any other (r = 0) weighs
1, plus a ridge on the factors. Each half-step solves the queries or the candidates approximately by a few steps of
conjugate gradients from where they are (Takács, Pilászy & Tikk 2011), for all rows of a block at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from models.ranking.baselines import incidence
from models.ranking.ranking import CandidateLists

_STEPS = 3
_FOLD_IN_STEPS = 10
_BLOCK_EVENTS = 1 << 18


@dataclass(frozen=True)
class Ials:
    """Factors of the candidates, with which queries are folded in by their histories.

    Attributes:
        factors: float32 `[candidates, dim]`.
        alpha: additional weight of an observed pair.
        ridge: regularisation.
    """

    factors: np.ndarray
    alpha: float
    ridge: float

    def fold_in(self, histories: CandidateLists) -> np.ndarray:
        """Factors of queries by their histories, float32 `[queries, dim]`."""
        matrix = incidence(histories, len(self.factors))
        start = np.zeros((len(histories), self.factors.shape[1]), np.float32)
        return _solved(matrix, self.factors, start, self, steps=_FOLD_IN_STEPS)


def fit_ials(
    interactions: CandidateLists,
    candidates: int,
    *,
    dim: int = 64,
    alpha: float = 10.0,
    ridge: float = 10.0,
    iterations: int = 10,
    seed: int = 0,
) -> Ials:
    """Fits the factors of the candidates.

    Args:
        interactions: training candidates of each query; repeats count once.
        candidates: size of the catalogue.
        dim: length of the factors.
        alpha: additional weight of an observed pair.
        ridge: regularisation.
        iterations: number of rounds over queries and candidates.
        seed: decides the start.
    """
    by_query = incidence(interactions, candidates)
    by_candidate = by_query.T.tocsr()
    factors = np.random.default_rng(seed).standard_normal((candidates, dim), dtype=np.float32) * np.float32(0.01)
    model = Ials(factors, alpha, ridge)
    queries = np.zeros((len(interactions), dim), np.float32)
    for _ in range(iterations):
        queries = _solved(by_query, factors, queries, model, steps=_STEPS)
        factors = _solved(by_candidate, queries, factors, model, steps=_STEPS)
    return Ials(factors, alpha, ridge)


def _solved(
    observed: sparse.csr_matrix, others: np.ndarray, start: np.ndarray, model: Ials, *, steps: int
) -> np.ndarray:
    """The rows that fit `others` best, improved from `start` by conjugate gradients."""
    gram = others.T @ others + model.ridge * np.eye(others.shape[1], dtype=np.float32)
    blocks = [
        _descended(observed[first:last], others, start[first:last], gram, model.alpha, steps)
        for first, last in _blocks(observed.indptr)
    ]
    return np.concatenate(blocks) if blocks else start


def _blocks(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about `_BLOCK_EVENTS` observed pairs, to bound memory."""
    part = offsets[1:] // _BLOCK_EVENTS
    bounds = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(part)]
    yield from ((first, last) for first, last in pairwise(bounds) if first < last)


def _descended(
    observed: sparse.csr_matrix, others: np.ndarray, x: np.ndarray, gram: np.ndarray, alpha: float, steps: int
) -> np.ndarray:
    row = np.repeat(np.arange(observed.shape[0]), np.diff(observed.indptr))
    seen = others[observed.indices]

    def product(vectors: np.ndarray) -> np.ndarray:
        """(gram + alpha · Σ over the row's observed pairs of y yᵀ) · vector, row by row."""
        weights = np.einsum("ij,ij->i", vectors[row], seen) * np.float32(alpha)
        pairs = sparse.csr_matrix((weights, observed.indices, observed.indptr), shape=observed.shape)
        result: np.ndarray = vectors @ gram + pairs @ others
        return result

    residual = np.float32(1 + alpha) * (observed @ others) - product(x)
    direction, square = residual, (residual**2).sum(axis=1, keepdims=True)
    for _ in range(steps):
        image = product(direction)
        step = square / np.maximum((direction * image).sum(axis=1, keepdims=True), np.float32(1e-20))
        x = x + step * direction
        residual = residual - step * image
        following = (residual**2).sum(axis=1, keepdims=True)
        direction = residual + following / np.maximum(square, np.float32(1e-20)) * direction
        square = following
    return x
