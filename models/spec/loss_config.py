"""Which loss trains the towers. Free of TensorFlow.

A loss is named (`loss: gbce`), or given with its parameters (`loss: {type: gbce, calibration: 0.9}`).
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from models.spec.strict import Strict

UNSCALED = ("cosine_contrastive", "contrastive", "triplet", "gramian")
"""Losses of plain scores, without a temperature."""


def named(value: Any) -> Any:
    """Reads a plain name as the type with its default parameters."""
    return {"type": value} if isinstance(value, str) else value


class Softmax(Strict):
    """Cross entropy of scores divided by the temperature.

    `full_softmax`: over the whole catalogue. `in_batch_softmax`: every candidate, the positive too, is corrected by how
    often it comes (Yi et al. 2019). `sampled_softmax`: the positive, which always comes, is not corrected, which makes
    the sum an unbiased estimate of the full one (refined logQ, Khrylchenko et al. 2025). `auto`: `full_softmax` where
    an epoch of it stays within `training.full_softmax_budget`, else `in_batch_softmax` with 4096 mixed negatives, of
    those with a training event. The full one is over the candidates with a training event, too: the others may be new.
    """

    type: Literal["auto", "full_softmax", "in_batch_softmax", "sampled_softmax"]


class BPR(Strict):
    """−log σ(s⁺ − s⁻), scores divided by the temperature, mean over the negatives (Rendle et al. 2009)."""

    type: Literal["bpr"]


class GBCE(Strict):
    """Binary cross entropy that does not overrate because of few negatives (Petrov & Macdonald 2023).

    Scores are divided by the temperature.
    """

    type: Literal["gbce"]
    calibration: float = Field(default=0.75, ge=0, le=1)
    """0: plain binary cross entropy. 1: as calibrated as with all candidates as negatives."""


class CosineContrastive(Strict):
    """(1 − s⁺) + weight · mean of max(0, s⁻ − margin), of plain scores (SimpleX, Mao et al. 2021).

    Made for `model.score: cosine`.
    """

    type: Literal["cosine_contrastive"]
    weight: float = Field(default=150.0, gt=0)
    """Of the negatives together against the positive; the paper's best are between 150 and 300."""
    margin: float = Field(default=0.4, ge=-1, lt=1)
    """Negatives that score less cost nothing; the paper's best are between 0.4 and 0.9."""


class Contrastive(Strict):
    """½D² of the positive and ½max(0, margin − D)² of negatives, D the distance (Hadsell et al. 2006).

    Made for `model.score: cosine`, where near means a high score.
    """

    type: Literal["contrastive"]
    margin: float = Field(default=1.0, gt=0)
    """Negatives farther away cost nothing; on the unit sphere distances go up to 2."""


class Triplet(Strict):
    """max(0, D⁺ − D⁻ + margin) with one negative mined for each query (Schroff et al. 2015).

    The negative is the nearest of those farther away than the positive (semi-hard); where all are nearer, the
    farthest. Made for `model.score: cosine`.
    """

    type: Literal["triplet"]
    margin: float = Field(default=0.2, gt=0)
    """By how much a negative has to be farther away than the positive."""


class Gramian(Strict):
    """(1 − s⁺)² + unobserved_weight · mean of s² over all pairs of queries and candidates.

    The mean is the product of the two Gram matrices, as in implicit-feedback matrix factorisation (iALS, Hu et al.
    2008; Krichene et al. 2019): known positives are part of it. Of plain scores; made for `model.score: dot`.
    """

    type: Literal["gramian"]
    unobserved_weight: float = Field(default=10.0, gt=0)
    """Pull of all pairs towards 0, against that of the positive towards 1."""


LossConfig: TypeAlias = Annotated[
    Annotated[Softmax | BPR | GBCE | CosineContrastive | Contrastive | Triplet | Gramian, Field(discriminator="type")],
    BeforeValidator(named),
]
