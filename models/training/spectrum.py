"""Item vectors from a truncated SVD of the interactions, computed over one block of queries at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.events.ranges import distinct_candidates
from models.ragged import offsets_of, row_sums

_BLOCK_QUERIES = 1 << 15
_BLOCK_ITEMS = 1 << 13
_DEPENDENT = 1e-10
"""Share of the largest eigenvalue below which a column depends on the others."""
_ITERATIONS = 6
"""Products with the matrix and its transpose. If singular values hardly decay, three find 93 % of the energy of six."""
_WARM_ITERATIONS = 2
"""The same from vectors near the result."""
_LEAST = 1e-4
"""Singular values below this are rounding errors in float32."""
_POPULARITY = 1e-3
"""Score of the most popular item, in means of an item's score for a history of itself."""


@dataclass(frozen=True)
class Interactions:
    """Which items each query interacted with; repeats count once.

    Attributes:
        offsets: items of query `q` are `offsets[q]:offsets[q + 1]`, int64 `[queries + 1]`.
        items: int32 `[pairs]`.
        number: number of items.
    """

    offsets: np.ndarray
    items: np.ndarray
    number: int

    @classmethod
    def of_events(
        cls, offsets: np.ndarray, items: np.ndarray, number: int, weight: np.ndarray | None
    ) -> "Interactions":
        """Keeps the distinct items of the events with a weight above 0."""
        if weight is not None:
            counted = weight > 0
            offsets, items = offsets_of(row_sums(counted, offsets)), items[counted]
        return cls(*distinct_candidates(offsets, items), number)

    def degrees(self) -> np.ndarray:
        """Number of queries of each item, int64 `[items]`."""
        return np.bincount(self.items, minlength=self.number)

    def normalised(self) -> Iterator[sparse.csr_matrix]:
        """Rows of D_q^-½ R D_i^-½, float32, in blocks of queries."""
        of_items = (np.maximum(self.degrees(), 1) ** -0.5).astype(np.float32)
        for first in range(0, len(self.offsets) - 1, _BLOCK_QUERIES):
            bounds = self.offsets[first : first + _BLOCK_QUERIES + 1]
            items, sizes = self.items[bounds[0] : bounds[-1]], np.diff(bounds)
            of_queries = np.repeat((np.maximum(sizes, 1) ** -0.5).astype(np.float32), sizes)
            shape = (len(sizes), self.number)
            yield sparse.csr_matrix((of_items[items] * of_queries, items, bounds - bounds[0]), shape=shape)


@dataclass(frozen=True)
class Form:
    """What is chosen when embeddings are made of a spectrum.

    Attributes:
        width: length of the embeddings.
        exponent: p of `Spectrum`, the exponent of the singular values in a score.
    """

    width: int
    exponent: float


@dataclass(frozen=True)
class Spectrum:
    """Right singular vectors V and singular values σ of the normalised interactions D_q^-½ R D_i^-½.

    With E = V·σ^(p/2) and d_i the queries of item i, the score of item j is Σ over the history of
    ⟨E_i, E_j⟩·(d_j / d_i)^½: a two-tower model without training (PureSVD, Cremonesi et al. 2010). The exponent p = 0
    keeps all that the vectors span as it is, the ideal low-pass filter of GF-CF (Shen et al. 2021); p = 1 weakens what
    few queries share. The first columns are the solution for fewer dimensions.

    Attributes:
        vectors: V, strongest first, float32 `[items, rank]`.
        values: σ, float32 `[rank]`.
        degrees: d, int64 `[items]`.
    """

    vectors: np.ndarray
    values: np.ndarray
    degrees: np.ndarray

    def history_table(self, form: Form) -> np.ndarray:
        """Vectors whose mean over a history is the query vector, E·d^-½, float32 `[items, width]`."""
        return self._scaled(form, np.maximum(self.degrees, 1) ** -0.5)

    def candidate_table(self, form: Form, shared_by: np.ndarray) -> np.ndarray:
        """Vectors of the candidates, E·d^½, float32 `[items, width]`.

        Args:
            form: width and exponent; dimensions beyond the rank are 0.
            shared_by: number of candidates that share each item, `[items]`; each gets its share of the score.
        """
        return self._scaled(form, self.degrees**0.5 / np.maximum(shared_by, 1))

    def popularity(self, form: Form) -> np.ndarray:
        """A small query vector that ranks by d; it answers an empty history, float32 `[width]`.

        It is σ^(-p/2)·Vᵀd^½, the least-squares solution of E·x = d^½.
        """
        exact = self._powers(form, -form.exponent / 2) * (self.degrees**0.5 @ self.vectors[:, : form.width])
        self_score = float(self._powers(form, form.exponent).sum()) / max(int(np.count_nonzero(self.degrees)), 1)
        scale = _POPULARITY * self_score / max(int(self.degrees.max(initial=0)), 1)
        row: np.ndarray = _padded((scale * exact)[None, :], form.width)[0]
        return row

    def _scaled(self, form: Form, factors: np.ndarray) -> np.ndarray:
        embeddings = self.vectors[:, : form.width] * self._powers(form, form.exponent / 2)
        return _padded(embeddings * factors[:, None], form.width)

    def _powers(self, form: Form, exponent: float) -> np.ndarray:
        """σ^exponent, and 0 for a value that is a rounding error, float32 `[width]` or shorter."""
        values = self.values[: form.width]
        powers: np.ndarray = np.where(values > _LEAST, np.maximum(values, _LEAST) ** np.float32(exponent), 0)
        return powers


def _padded(vectors: np.ndarray, width: int) -> np.ndarray:
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1]))).astype(np.float32)


def spectrum(interactions: Interactions, *, rank: int, seed: int, start: np.ndarray | None = None) -> Spectrum:
    """Computes the strongest singular vectors by randomised subspace iteration (Halko, Martinsson & Tropp 2011).

    Memory holds three arrays of float32 `[items, 1.125 · rank]`, whatever the number of queries.

    Args:
        interactions: the training events.
        rank: number of vectors; fewer are returned if the matrix has a lower rank.
        seed: decides the start.
        start: vectors near the result, such as those of earlier interactions, `[items, n]`; they save products.
    """
    used = min(interactions.number, rank + max(rank // 8, 8))
    basis = np.random.default_rng(seed).standard_normal((interactions.number, used), dtype=np.float32)
    if start is not None:
        near = start[:, :used] / np.maximum(np.linalg.norm(start[:, :used], axis=0), _LEAST)
        basis = np.hstack([near, basis[:, near.shape[1] :] / np.sqrt(len(basis))]).astype(np.float32)
    for _ in range(_ITERATIONS if start is None else _WARM_ITERATIONS):
        basis = _orthonormal(_gram_times(interactions, basis))
    basis = _orthonormal(basis)  # again, for the rounding errors of the last product
    squares, rotation = np.linalg.eigh(_projected_gram(interactions, basis))
    strongest = np.argsort(-squares, kind="stable")[:rank]
    values = np.sqrt(np.maximum(squares[strongest], 0)).astype(np.float32)
    values[values < _LEAST] = 0
    return Spectrum(basis @ rotation[:, strongest].astype(np.float32), values, interactions.degrees())


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the columns, float32 `[items, n]`; fewer columns if they depend on each other.

    It comes from the eigenvectors of the columns' Gram matrix, which for tall matrices takes a tenth of the time of QR.
    """
    gram = np.zeros((vectors.shape[1], vectors.shape[1]))
    for first in range(0, len(vectors), _BLOCK_ITEMS):
        part = vectors[first : first + _BLOCK_ITEMS].astype(np.float64)
        gram += part.T @ part
    squares, rotation = np.linalg.eigh(gram)
    kept = squares > _DEPENDENT * squares[-1]
    basis: np.ndarray = vectors @ (rotation[:, kept] * squares[kept] ** -0.5).astype(np.float32)
    return basis


def _gram_times(interactions: Interactions, basis: np.ndarray) -> np.ndarray:
    """R̃ᵀR̃·basis, `[items, n]`."""
    total = np.zeros_like(basis)
    for block in interactions.normalised():
        total += block.T @ (block @ basis)
    return total


def _projected_gram(interactions: Interactions, basis: np.ndarray) -> np.ndarray:
    """(R̃·basis)ᵀ(R̃·basis), float64 `[n, n]`."""
    total = np.zeros((basis.shape[1], basis.shape[1]))
    for block in interactions.normalised():
        projected = block @ basis
        total += projected.T @ projected
    return total
