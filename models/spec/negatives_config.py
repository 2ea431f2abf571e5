"""Where a training step's negatives come from, and how their frequency is known. Free of TensorFlow.

Like a loss, each is named (`negatives: uniform`) or given with its parameters (`negatives: {type: uniform, n: 256}`).
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from models.spec.loss_config import named
from models.spec.strict import Strict


class InBatchNegatives(Strict):
    """The positives of the batch's other queries."""

    type: Literal["in_batch"]


class UniformNegatives(Strict):
    """Candidates drawn from the catalogue at every step, all alike, common to the batch."""

    type: Literal["uniform"]
    n: int = Field(default=1024, ge=1)
    """Draws a step, with replacement."""


class PopularityNegatives(Strict):
    """Candidates drawn at every step by their training events to a power, common to the batch."""

    type: Literal["popularity"]
    n: int = Field(default=1024, ge=1)
    """Draws a step, with replacement."""
    alpha: float = Field(default=0.75, ge=0, le=1)
    """1 draws in proportion to the events, lower flattens; a candidate without events counts as one with one."""


class MixedNegatives(Strict):
    """The positives of the batch's other queries, and uniform draws besides (Yang et al. 2020)."""

    type: Literal["mixed"]
    n: int = Field(default=1024, ge=1)
    """Uniform draws a step, with replacement; they bring in candidates that are never anybody's positive."""
    chosen_only: bool = False
    """Candidates without a training event are never drawn: some are merely new, and would be learnt against."""


class CrossBatchNegatives(Strict):
    """The positives of the batch's other queries, and those of earlier batches as they were embedded then.

    Cross-batch negative sampling (Wang et al. 2021): many negatives for the price of few, since towers change slowly.
    """

    type: Literal["cross_batch"]
    n: int = Field(default=8192, ge=1)
    """Candidates that are kept, first in, first out."""
    warm_up: int = Field(default=100, ge=0)
    """Steps before the first is kept: at first towers change fast."""


class MinedNegatives(Strict):
    """The positives of the batch's other queries, and those candidates that score highest without being known ones."""

    type: Literal["mined"]
    n: int = Field(default=4, ge=1)
    """Hardest negatives of each query of the batch; they are negatives of the other queries, too."""
    refresh: int = Field(default=100, ge=1)
    """Steps after which the whole catalogue is embedded again to look for them in."""
    warm_up: int = Field(default=500, ge=0)
    """Steps before the first are mined: hard negatives teach only what has learnt from easy ones."""


NegativesConfig: TypeAlias = Annotated[
    Annotated[
        InBatchNegatives
        | UniformNegatives
        | PopularityNegatives
        | MixedNegatives
        | CrossBatchNegatives
        | MinedNegatives,
        Field(discriminator="type"),
    ],
    BeforeValidator(named),
]


class ExactFrequency(Strict):
    """Counts of the training events."""

    type: Literal["exact"]


class StreamingFrequency(Strict):
    """Estimated from the steps between a candidate's appearances, while training (Yi et al. 2019)."""

    type: Literal["streaming"]
    alpha: float = Field(default=0.01, gt=0, lt=1)
    """Weight of the newest gap in the moving mean; the estimate varies by about √(alpha / (2 − alpha)) of its size."""
    buckets: int = Field(default=2**20, ge=1, le=2**30)
    """Length of each array that candidates are hashed to; where they share a place they look more frequent."""
    hashes: int = Field(default=2, ge=1, le=16)
    """Arrays, each with a hash of its own; the least frequent of a candidate's estimates is taken."""


FrequencyConfig: TypeAlias = Annotated[
    Annotated[ExactFrequency | StreamingFrequency, Field(discriminator="type")], BeforeValidator(named)
]
