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
    """Candidates drawn uniformly from the catalogue at every step, shared by the batch."""

    type: Literal["uniform"]
    n: int = Field(default=1024, ge=1)
    """Draws per step, with replacement."""


class PopularityNegatives(Strict):
    """Candidates drawn at every step with probability ∝ (training events)^alpha, shared by the batch."""

    type: Literal["popularity"]
    n: int = Field(default=1024, ge=1)
    """Draws per step, with replacement."""
    alpha: float = Field(default=0.75, ge=0, le=1)
    """1 draws in proportion to the events; lower values flatten. A candidate without events counts as having one."""


class MixedNegatives(Strict):
    """The positives of the batch's other queries plus uniform draws (Yang et al. 2020)."""

    type: Literal["mixed"]
    n: int = Field(default=1024, ge=1)
    """Uniform draws per step, with replacement. They include candidates that are nobody's positive."""
    chosen_only: bool = False
    """Draw only candidates with a training event. The others may be new, and the model would learn to avoid them."""


class CrossBatchNegatives(Strict):
    """The positives of the batch's other queries, and those of earlier batches with the embeddings they had then.

    Cross-batch negative sampling (Wang et al. 2021): many negatives at low cost, because towers change slowly.
    """

    type: Literal["cross_batch"]
    n: int = Field(default=8192, ge=1)
    """Number of candidates kept, first in, first out."""
    warm_up: int = Field(default=100, ge=0)
    """Steps before the first candidate is kept, because towers change fast at the start."""


class MinedNegatives(Strict):
    """The positives of the batch's other queries, plus the highest-scoring candidates that are not known positives."""

    type: Literal["mined"]
    n: int = Field(default=4, ge=1)
    """Hard negatives mined for each query of the batch. They are negatives of the other queries as well."""
    refresh: int = Field(default=100, ge=1)
    """Steps after which the whole catalogue is embedded again for mining."""
    warm_up: int = Field(default=500, ge=0)
    """Steps before mining starts. Hard negatives help only after the model has learned from easy ones."""


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
    """Counts from the training events."""

    type: Literal["exact"]


class StreamingFrequency(Strict):
    """Estimate from the steps between a candidate's appearances, updated while training (Yi et al. 2019)."""

    type: Literal["streaming"]
    alpha: float = Field(default=0.01, gt=0, lt=1)
    """Weight of the newest gap in the moving mean. The relative error of the estimate is about √(alpha / (2 −
    alpha))."""
    buckets: int = Field(default=2**20, ge=1, le=2**30)
    """Length of each hash array. Candidates that share a bucket appear more frequent than they are."""
    hashes: int = Field(default=2, ge=1, le=16)
    """Number of arrays, each with its own hash function. The lowest of a candidate's estimates is used."""


FrequencyConfig: TypeAlias = Annotated[
    Annotated[ExactFrequency | StreamingFrequency, Field(discriminator="type")], BeforeValidator(named)
]
