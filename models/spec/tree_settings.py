"""Settings of a ScaNN tree. Imports no TensorFlow."""

from dataclasses import dataclass

SMALLEST_TREE = 16
"""Fewest candidates of a tree, because ScaNN's quantiser cannot be trained on fewer vectors."""


@dataclass(frozen=True)
class TreeSettings:
    """Resolved settings of a ScaNN tree with anisotropic quantisation and exact reordering.

    Attributes:
        leaves: number of cells into which the candidates are partitioned.
        leaves_to_search: number of cells searched for a query with at most `answers` answers.
        anisotropic_threshold: T of the anisotropic loss; a larger value weighs errors parallel to a vector more.
        dimensions_per_block: number of dimensions that share a 4-bit code; 1 is the finest.
        reorder: number of candidates, nearest by code, that are scored again with their full vectors.
        training_sample: number of candidates on which centres and codes are trained.
        answers: number of answers that the other settings are made for; more answers widen the search.
    """

    leaves: int
    leaves_to_search: int
    anisotropic_threshold: float
    dimensions_per_block: int
    reorder: int
    training_sample: int
    answers: int


def tree_is_possible(candidates: int, leaves: int) -> bool:
    """Whether ScaNN can train a tree of `leaves` leaves on `candidates` candidates."""
    return candidates >= max(SMALLEST_TREE, leaves)
