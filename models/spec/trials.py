"""The settings that `auto` compares in short trial runs: recipes, temperatures, and the labels of a history.

Free of TensorFlow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.spec.config import ModelConfig, TrainingConfig
from models.spec.loss_config import UNSCALED
from models.spec.recipes import Recipe

Temperature = float | Literal["learned"]
Labels = Literal["next", "later"]

TRIED = (0.1, 0.05, 0.2)
"""Temperatures that `auto` compares for cosine scores."""
TRIAL_VALIDATIONS = 3
"""Number of validations after which trials are compared."""


@dataclass(frozen=True)
class Trial:
    """The settings in which trial runs differ."""

    temperature: Temperature
    labels: Labels
    recipe: Recipe = "towers"

    def __str__(self) -> str:
        return f"{self.recipe}-temperature-{self.temperature}-{self.labels}"

    def described(self) -> str:
        """The settings in words; the configured towers go without saying."""
        recipe = "" if self.recipe == "towers" else f"{self.recipe}, "
        return f"{recipe}temperature {self.temperature}, {self.labels} labels"


@dataclass(frozen=True)
class TrialSpace:
    """The values that trial runs compare, each with the first of the others first."""

    recipes: Sequence[Recipe]
    temperatures: Sequence[Temperature]
    labels: Sequence[Labels]

    @property
    def first(self) -> Trial:
        """The first value of each."""
        return Trial(self.temperatures[0], self.labels[0], self.recipes[0])

    @property
    def runs(self) -> int:
        """Number of trial runs: each value once, the best so far with the first of the next."""
        return len(self.recipes) + len(self.temperatures) + len(self.labels) - 2

    @property
    def is_decided(self) -> bool:
        """Whether there is nothing to compare."""
        return self.runs == 1


def temperatures_to_try(model: ModelConfig, loss: str) -> Sequence[Temperature]:
    """Candidate values of `model.temperature`: several only if it is `auto` and the loss scales cosines.

    Args:
        model: gives the temperature and the score.
        loss: the type of the loss.
    """
    if model.temperature != "auto":
        return (model.temperature,)
    return TRIED if model.score == "cosine" and loss not in UNSCALED else (1.0,)


def labels_to_try(training: TrainingConfig, *, split: str | None, history: bool) -> Sequence[Labels]:
    """Candidate values of `training.labels`: both only if it is `auto` and a split in time freezes the histories.

    Args:
        training: gives the labels and the kind of examples.
        split: method by which the events were divided, if known.
        history: whether the query tower reads a history.
    """
    if training.labels != "auto":
        return (training.labels,)
    frozen = split == "time" and history and training.examples.type != "sequences"
    return ("next", "later") if frozen else ("next",)
