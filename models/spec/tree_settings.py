"""What a ScaNN tree is built and searched with. Free of TensorFlow."""

from dataclasses import dataclass

SMALLEST_TREE = 16
"""Candidates that a tree needs: ScaNN's quantiser fails to train on fewer vectors."""


@dataclass(frozen=True)
class TreeSettings:
    """Resolved settings of a ScaNN tree with anisotropic quantisation and exact reordering.

    Attributes:
        leaves: cells the candidates are partitioned into.
        leaves_to_search: cells looked into for a query that asks for no more than `answers`.
        anisotropic_threshold: T of the anisotropic loss; larger weighs errors along the vector more.
        dimensions_per_block: dimensions that share a code of 4 bits; 1 is finest.
        reorder: nearest by code that are scored again with the full vectors.
        training_sample: candidates that centres and codes are learnt from.
        answers: number of answers the other settings are made for; more of them widen the search.
    """

    leaves: int
    leaves_to_search: int
    anisotropic_threshold: float
    dimensions_per_block: int
    reorder: int
    training_sample: int
    answers: int


def tree_is_possible(candidates: int, leaves: int) -> bool:
    """Whether ScaNN can train a tree of so many leaves on so few candidates."""
    return candidates >= max(SMALLEST_TREE, leaves)
