"""How much is measured."""

from dataclasses import dataclass

GOAL_BATCH = 8192
"""The batch size that goals are about."""
DIM = 64
"""Length of the embeddings."""


@dataclass(frozen=True)
class Ranked:
    """An evaluation's size: queries or events, candidates, and length of the embeddings."""

    queries: int
    candidates: int
    dim: int


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        batches: batch sizes of the part `steps`.
        rows: rows of the table in the part `steps`.
        vocabularies: rows of the table in the part `vocabulary`.
        batch: batch size of the part `vocabulary`.
        steps: steps timed.
        ranked: of the part `evaluation`, beside the bare product and top-k.
        tutorial_ranked: of the part `evaluation`, beside FactorizedTopK.
    """

    batches: tuple[int, ...] = (1024, 2048, 4096, 8192, 16384)
    rows: int = 100_000
    vocabularies: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    batch: int = GOAL_BATCH
    steps: int = 10
    ranked: Ranked = Ranked(100_000, 100_000, DIM)
    tutorial_ranked: Ranked = Ranked(20_000, 1_682, 32)


FULL = Sizes()
QUICK = Sizes(
    batches=(512,),
    rows=10_000,
    vocabularies=(10_000,),
    batch=512,
    steps=2,
    ranked=Ranked(2_000, 10_000, DIM),
    tutorial_ranked=Ranked(2_048, 1_682, 32),
)
