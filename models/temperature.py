"""What scores are divided by in training: a number, a parameter that is learned, or what validation finds best."""

import math
from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from models.config import ModelConfig
from models.loss_config import UNSCALED

Temperature = float | Literal["learned"]

TRIED = (0.1, 0.05, 0.2)
"""Temperatures of cosines that `auto` compares."""
TRIAL_VALIDATIONS = 3
"""Validations after which they are compared."""
_START, _LEAST = 0.1, 0.01


def temperatures_to_try(model: ModelConfig, loss: str) -> Sequence[Temperature]:
    """What `temperature` stands for: several values only where `auto` scales cosines.

    Args:
        model: gives the temperature and the score.
        loss: the type of the loss.
    """
    if model.temperature != "auto":
        return (model.temperature,)
    return TRIED if model.score == "cosine" and loss not in UNSCALED else (1.0,)


class LearnedTemperature(tf.Module):
    """A temperature that gradients move, from 0.1 on; never below 0.01, the limit of CLIP (Radford et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.log = tf.Variable(math.log(_START - _LEAST), name="log_temperature")

    def __call__(self) -> tf.Tensor:
        """The temperature, a scalar."""
        return _LEAST + tf.exp(self.log)
