"""Parameters of Trainer."""

from pydantic import Field

from components.base import Params
from models.spec.config import ModelConfig, TrainingConfig

BASE_INPUTS = ("base", "base_graph", "base_examples")
"""Inputs of a Trainer that belong to the model it starts from."""


class TrainerParams(Params):
    """Parameters of the Trainer."""

    model: ModelConfig = ModelConfig()
    """The towers."""
    training: TrainingConfig = TrainingConfig()
    """How the towers are trained."""
    remove_seen: bool = True
    """Leaves candidates in a query's history out of its ranking on the validation split."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Seed of the initial weights, the order of the events and dropout."""
    max_unmeasured_fraction: float = Field(default=0.5, ge=0, le=1, exclude=True)
    """Share of the queries with test events that may have nothing left to measure. It is not part of the cache key
    because training does not depend on it."""
    final: bool = False
    """Trains without validation for as many steps as the reference model chose, in proportion to the events."""
