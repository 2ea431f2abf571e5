"""What configures InfraValidator."""

from pydantic import Field

from components.base import Params


class InfraValidationConfig(Params):
    """How the serving models are checked before they may be published; section `serving.validation`."""

    sample_queries: int = Field(default=32, ge=1, le=64)
    """Stored queries that both models are asked."""
    min_overlap: float = Field(default=0.9, ge=0, le=1)
    """Share of the exact model's answers that the ScaNN model must give too, over all sample queries."""
    timeout_seconds: float = Field(default=300, gt=0)
    """A process that takes longer to load a model and answer is ended and the model refused."""
