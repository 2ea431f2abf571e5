"""What scores are divided by in training: a number, a parameter that is learned, or what validation finds best.

Free of TensorFlow.
"""

from collections.abc import Sequence
from typing import Literal

from models.config import ModelConfig
from models.loss_config import UNSCALED

Temperature = float | Literal["learned"]

TRIED = (0.1, 0.05, 0.2)
"""Temperatures of cosines that `auto` compares."""
TRIAL_VALIDATIONS = 3
"""Validations after which they are compared."""


def temperatures_to_try(model: ModelConfig, loss: str) -> Sequence[Temperature]:
    """What `temperature` stands for: several values only where `auto` scales cosines.

    Args:
        model: gives the temperature and the score.
        loss: the type of the loss.
    """
    if model.temperature != "auto":
        return (model.temperature,)
    return TRIED if model.score == "cosine" and loss not in UNSCALED else (1.0,)
