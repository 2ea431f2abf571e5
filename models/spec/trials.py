"""What `auto` stands for where validation decides by short trainings: temperatures, and which labels a history has.

Free of TensorFlow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.spec.config import ModelConfig, TrainingConfig
from models.spec.loss_config import UNSCALED

Temperature = float | Literal["learned"]
Labels = Literal["next", "later"]

TRIED = (0.1, 0.05, 0.2)
"""Temperatures of cosines that `auto` compares."""
TRIAL_VALIDATIONS = 3
"""Validations after which trials are compared."""


@dataclass(frozen=True)
class Trial:
    """What one of several trainings does and another does not."""

    temperature: Temperature
    labels: Labels

    def __str__(self) -> str:
        return f"temperature-{self.temperature}-{self.labels}"


def temperatures_to_try(model: ModelConfig, loss: str) -> Sequence[Temperature]:
    """What `model.temperature` stands for: several values only where `auto` scales cosines.

    Args:
        model: gives the temperature and the score.
        loss: the type of the loss.
    """
    if model.temperature != "auto":
        return (model.temperature,)
    return TRIED if model.score == "cosine" and loss not in UNSCALED else (1.0,)


def labels_to_try(training: TrainingConfig, *, split: str | None, history: bool) -> Sequence[Labels]:
    """What `training.labels` stands for: both only where `auto` has histories that a split in time freezes.

    Args:
        training: gives the labels and the kind of examples.
        split: method by which the events were divided, if that is known.
        history: whether the query tower reads one.
    """
    if training.labels != "auto":
        return (training.labels,)
    frozen = split == "time" and history and training.examples.type != "sequences"
    return ("next", "later") if frozen else ("next",)
