"""What configures ScannIndexer."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.base import Params

Auto = Literal["auto"] | Annotated[int, Field(ge=1)]


class RecallTarget(Params):
    """How many of the exact answers the index must find."""

    k: int = Field(default=100, ge=1, le=10_000)
    """Best answers that count; clipped to `top_k`."""
    recall: float = Field(default=0.99, ge=0, le=1)
    """Mean share of them found, on queries that chose nothing; an index that finds less is refused."""


class IndexConfig(Params):
    """How the ScaNN model searches; section `index`. The exact model has nothing to set.

    What is `auto` is chosen: by measuring recall against exact search on queries of the data, the settings of least
    expected cost that reach the target. What is given stays as it is.
    """

    recall_target: RecallTarget = RecallTarget()
    """What the settings are chosen for."""
    search: Literal["auto", "tree", "brute_force"] = "auto"
    """A tree, or every candidate; `auto`: every candidate where no tree that reaches the target is
    expected to be twice as fast."""
    leaves: Auto = "auto"
    """Cells the candidates are partitioned into; `auto`: the square root of their number, or twice that."""
    leaves_to_search: Auto = "auto"
    """Cells looked into for a query."""
    anisotropic_threshold: Literal["auto"] | Annotated[float, Field(ge=0, lt=1)] = "auto"
    """Weight of errors along a vector in its code (Guo et al. 2020), 0.2 or 0.1; larger favours the best answers."""
    dimensions_per_block: Literal["auto"] | Annotated[int, Field(ge=1, le=16)] = "auto"
    """Dimensions that share 4 bits of a code; 1 is finest and slowest. `auto`: 1 or 2."""
    reorder: Auto = "auto"
    """Candidates scored again with their full vectors; `auto`: one to 16 times the answers."""
    training_sample: int = Field(default=100_000, ge=1000)
    """Candidates that cells and codes are learnt from."""
    queries: bool = False
    """Whether the stored queries are indexed as well, by the same settings, for the signature `similar_queries`. Both
    models grow by their ids and 4 bytes per query and dimension, ScaNN's also by its codes."""
    sample_queries: int = Field(default=500, ge=1)
    """Queries of the data on which recall is measured; as many others choose the settings."""
    tuning_budget: int = Field(default=4_000_000, ge=0)
    """Candidates that may be indexed while settings are chosen, over all trees built; one tree is always built."""

    @model_validator(mode="after")
    def _search_no_more_leaves_than_there_are(self) -> "IndexConfig":
        if self.leaves != "auto" and self.leaves_to_search != "auto" and self.leaves_to_search > self.leaves:
            raise ValueError(f"'leaves_to_search' ({self.leaves_to_search}) is more than 'leaves' ({self.leaves})")
        return self


class ScannIndexerParams(Params):
    """Parameters of ScannIndexer."""

    index: IndexConfig = IndexConfig()
    """How the ScaNN model searches."""
    top_k: int = Field(default=100, ge=1, le=10_000)
    """Answers of a request; clipped to the number of candidates."""
    remove_seen: bool = True
    """Whether candidates in the request's history are left out of its answers."""
