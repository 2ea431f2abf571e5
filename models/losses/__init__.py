"""Losses of a batch of queries against candidates. All losses share one signature.

A loss takes a `Contrast` and returns the weighted mean over the batch, so the learning rate does not depend on the
batch size. With several replicas it returns the replica's summand of that mean. The caller that builds the `Contrast`
decides where the candidates come from: the batch, the catalogue or random draws.
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
    """Binds the configured parameters to the loss function.

    Args:
        config: the loss; `auto` must be resolved already.
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
