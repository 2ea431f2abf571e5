"""Parameters of BulkInferrer."""

from typing import Literal

from pydantic import Field

from components.base import Params
from models.spec.features import FeatureName


class BulkInferrerConfig(Params):
    """Batch recommendations for every query: section `recommendations`."""

    top_k: int = Field(default=50, ge=1, le=10_000)
    """Number of candidates per query, at most the whole catalogue."""
    context: dict[FeatureName, str | bool | int | float | list[str] | list[float]] = Field(default_factory=dict)
    """Values of context features, the same for every query, such as today's weekday. Those left out are missing."""
    search: Literal["index", "exact"] = "index"
    """`index` searches the index of the ScaNN model, with its recall. `exact` scores every candidate. Both are the same
    if the ScaNN model has no tree."""


class BulkInferrerParams(BulkInferrerConfig):
    """Parameters of BulkInferrer."""

    remove_seen: bool = True
    """Leaves out the candidates of the query's own events."""
