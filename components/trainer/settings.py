"""Interface of the Trainer's parameters that decide the fit; imports no TensorFlow."""

from typing import Protocol

from models.spec.config import ModelConfig, TrainingConfig


class Settings(Protocol):
    """The Trainer's parameters that decide the fit."""

    @property
    def model(self) -> ModelConfig:
        """The towers."""

    @property
    def training(self) -> TrainingConfig:
        """How the towers are trained."""

    @property
    def remove_seen(self) -> bool:
        """Whether validation leaves candidates in a query's history out of its ranking."""

    @property
    def max_unmeasured_fraction(self) -> float:
        """Largest share of the test queries with nothing left to measure, from 0 to 1."""

    @property
    def seed(self) -> int:
        """Seed of the initial weights, the order of the events and dropout."""
