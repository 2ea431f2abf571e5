"""What a training needs of the Trainer's parameters; free of TensorFlow."""

from typing import Protocol

from models.spec.config import ModelConfig, TrainingConfig


class Settings(Protocol):
    """The Trainer's parameters that decide the fit."""

    @property
    def model(self) -> ModelConfig:
        """The towers."""

    @property
    def training(self) -> TrainingConfig:
        """How they are fitted."""

    @property
    def remove_seen(self) -> bool:
        """Whether validation leaves out what a query has seen."""

    @property
    def max_unmeasured_fraction(self) -> float:
        """Share of the test queries that may have nothing left to measure."""

    @property
    def seed(self) -> int:
        """Decides everything random."""
