"""Parameters of InfraValidator."""

from pydantic import Field

from components.base import Params


class InfraValidationConfig(Params):
    """Checks of the serving models before they are published: section `serving.validation`."""

    sample_queries: int = Field(default=32, ge=1, le=64)
    """How many stored queries both models answer."""
    min_overlap: float = Field(default=0.9, ge=0, le=1)
    """Smallest allowed share of the exact model's answers that the ScaNN model also gives, over all sample queries."""
    timeout_seconds: float = Field(default=300, gt=0)
    """Time limit to load a model and answer. A model that takes longer is refused."""
