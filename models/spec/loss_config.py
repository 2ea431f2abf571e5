"""Which loss trains the towers. Free of TensorFlow.

A loss is named (`loss: gbce`), or given with its parameters (`loss: {type: gbce, calibration: 0.9}`).
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from models.spec.strict import Strict

UNSCALED = ("cosine_contrastive", "contrastive", "triplet", "gramian")
"""Losses that use plain scores and no temperature."""


def named(value: Any) -> Any:
    """Reads a plain name as the type with its default parameters."""
    return {"type": value} if isinstance(value, str) else value


class Softmax(Strict):
    """Cross entropy of scores divided by the temperature.

    `full_softmax`: over all candidates with a training event; the others may merely be new. `in_batch_softmax`: every
    candidate, including the positive, is corrected by its frequency (Yi et al. 2019). `sampled_softmax`: the positive,
    which is always present, is not corrected, so the sum is an unbiased estimate of the full one (refined logQ,
    Khrylchenko et al. 2025). `auto`: `full_softmax` if an epoch stays within `training.full_softmax_budget`, else
    `in_batch_softmax` with 4096 mixed negatives, drawn from candidates with a training event.
    """

    type: Literal["auto", "full_softmax", "in_batch_softmax", "sampled_softmax"]


class BPR(Strict):
    """−log σ(s⁺ − s⁻), mean over the negatives, scores divided by the temperature (Rendle et al. 2009)."""

    type: Literal["bpr"]


class GBCE(Strict):
    """Binary cross entropy that corrects the overconfidence of few negatives (Petrov & Macdonald 2023).

    Scores are divided by the temperature.
    """

    type: Literal["gbce"]
    calibration: float = Field(default=0.75, ge=0, le=1)
    """0: plain binary cross entropy. 1: calibrated as if all candidates were negatives."""


class CosineContrastive(Strict):
    """(1 − s⁺) + weight · mean of max(0, s⁻ − margin), on plain scores (SimpleX, Mao et al. 2021).

    Made for `model.score: cosine`.
    """

    type: Literal["cosine_contrastive"]
    weight: float = Field(default=150.0, gt=0)
    """Weight of the negatives' mean against the positive; the paper's best values lie between 150 and 300."""
    margin: float = Field(default=0.4, ge=-1, lt=1)
    """Negatives that score below the margin cost nothing; the paper's best values lie between 0.4 and 0.9."""


class Contrastive(Strict):
    """½D² of the positive and ½max(0, margin − D)² of the negatives, D the distance (Hadsell et al. 2006).

    Made for `model.score: cosine`, where near means a high score.
    """

    type: Literal["contrastive"]
    margin: float = Field(default=1.0, gt=0)
    """Negatives farther away than the margin cost nothing; on the unit sphere distances reach at most 2."""


class Triplet(Strict):
    """max(0, D⁺ − D⁻ + margin) with one negative mined per query (Schroff et al. 2015).

    The negative is the nearest one that is farther away than the positive (semi-hard). If all are nearer, it is the
    farthest one. Made for `model.score: cosine`.
    """

    type: Literal["triplet"]
    margin: float = Field(default=0.2, gt=0)
    """How much farther away than the positive a negative has to be."""


class Gramian(Strict):
    """(1 − s⁺)² + unobserved_weight · mean of s² over all pairs of queries and candidates.

    The mean is computed as the product of the two Gram matrices, as in implicit-feedback matrix factorisation (iALS, Hu
    et al. 2008; Krichene et al. 2019). It includes the known positives. Made for `model.score: dot`.
    """

    type: Literal["gramian"]
    unobserved_weight: float = Field(default=10.0, gt=0)
    """Weight that pulls all pairs towards 0; the positive is pulled towards 1 with weight 1."""


LossConfig: TypeAlias = Annotated[
    Annotated[Softmax | BPR | GBCE | CosineContrastive | Contrastive | Triplet | Gramian, Field(discriminator="type")],
    BeforeValidator(named),
]
