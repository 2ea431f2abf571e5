"""What configures Trainer."""

from pydantic import Field

from components.base import Params
from models.spec.config import ModelConfig, TrainingConfig


class TrainerParams(Params):
    """Parameters of the Trainer."""

    model: ModelConfig = ModelConfig()
    """The towers."""
    training: TrainingConfig = TrainingConfig()
    """How they are fitted."""
    remove_seen: bool = True
    """Whether validation leaves candidates of a query's history out of its ranking."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Decides the first weights, the order of the events and what dropout drops."""
    max_unmeasured_fraction: float = Field(default=0.5, ge=0, le=1, exclude=True)
    """Share of the queries with test events that may have nothing left to measure. No part of the cache key: what is
    trained does not depend on it."""
    final: bool = False
    """Fit without validation for as many steps as the reference model chose, in proportion to the events."""
