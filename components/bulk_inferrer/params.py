"""What configures BulkInferrer."""

from typing import Literal

from pydantic import Field

from components.base import Params


class BulkInferrerConfig(Params):
    """What is recommended to every query; section `recommendations`."""

    top_k: int = Field(default=50, ge=1, le=10_000)
    """Candidates for each query; clipped to the catalogue."""
    search: Literal["index", "exact"] = "index"
    """`index`: as the ScaNN model searches, at its recall, where it has a tree. `exact`: every candidate, however long
    it takes."""


class BulkInferrerParams(BulkInferrerConfig):
    """Parameters of BulkInferrer."""

    remove_seen: bool = True
    """Whether candidates of the query's own events are left out."""
