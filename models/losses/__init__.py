"""Losses of a batch of queries against candidates, all functions of one signature.

A loss sees a `Contrast` and returns the weighted mean over the batch, so that the learning rate does not depend on
the batch's size; of a batch divided among replicas, the replica's summand of it. Where the candidates come from (the
batch, the catalogue, draws) is decided by whoever makes the Contrast.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import tensorflow as tf

from models.losses.blocked_softmax import full_softmax
from models.losses.contrast import Contrast
from models.losses.metric import contrastive, gramian, triplet
from models.losses.pairwise import bpr, cosine_contrastive, gbce
from models.losses.softmax import in_batch_softmax, sampled_softmax
from models.spec.config import TrainingConfig
from models.spec.loss_config import BPR, GBCE, Contrastive, CosineContrastive, Gramian, LossConfig, Triplet

__all__ = [
    "Contrast",
    "Loss",
    "bpr",
    "build_loss",
    "contrastive",
    "cosine_contrastive",
    "full_softmax",
    "gbce",
    "gramian",
    "in_batch_softmax",
    "sampled_softmax",
    "triplet",
]

Loss: TypeAlias = Callable[[Contrast], tf.Tensor]


def build_loss(config: LossConfig, training: TrainingConfig) -> Loss:
    """The loss with its parameters.

    Args:
        config: what `training.loss` resolves to, not `auto`.
        training: gives the exponent of the logQ correction.
    """
    match config:
        case BPR():
            return bpr
        case GBCE():
            return partial(gbce, calibration=config.calibration)
        case CosineContrastive():
            return partial(cosine_contrastive, weight=config.weight, margin=config.margin)
        case Contrastive():
            return partial(contrastive, margin=config.margin)
        case Triplet():
            return partial(triplet, margin=config.margin)
        case Gramian():
            return partial(gramian, unobserved_weight=config.unobserved_weight)
    if config.type == "full_softmax":
        return full_softmax
    softmax = in_batch_softmax if config.type == "in_batch_softmax" else sampled_softmax
    return partial(softmax, logq_exponent=training.logq_exponent)
