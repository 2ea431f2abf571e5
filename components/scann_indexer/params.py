"""Parameters of ScannIndexer."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.base import Params
from models.spec.selection import AttributeName, Filter, FilterKind

Auto = Literal["auto"] | Annotated[int, Field(ge=1)]


class RecallTarget(Params):
    """Recall against exact search that the index must reach."""

    k: int = Field(default=100, ge=1, le=10_000)
    """Number of best exact answers that count, at most `top_k`."""
    recall: float = Field(default=0.99, ge=0, le=1)
    """Minimum mean share of these answers that the index finds, on queries that were not used to choose its settings.
    An index that finds less is refused."""


class IndexConfig(Params):
    """How the ScaNN model searches: section `index`. The exact model has no settings.

    Settings that are `auto` are chosen by measurement: among those that reach the recall target on queries of the data,
    the ones with the least expected cost. Given settings are used unchanged.
    """

    recall_target: RecallTarget = RecallTarget()
    """The recall that the chosen settings must reach."""
    search: Literal["auto", "tree", "brute_force"] = "auto"
    """`tree` searches a tree of cells, `brute_force` scores every candidate. `auto` takes `brute_force` unless a tree
    that reaches the target is expected to be at least twice as fast."""
    leaves: Auto = "auto"
    """Number of cells into which the candidates are partitioned. `auto`: the square root of the number of candidates,
    or twice that."""
    leaves_to_search: Auto = "auto"
    """Number of cells searched for a query."""
    anisotropic_threshold: Literal["auto"] | Annotated[float, Field(ge=0, lt=1)] = "auto"
    """Threshold of the anisotropic quantisation loss (Guo et al. 2020, arXiv:1908.10396). A larger value weighs errors
    parallel to a vector more, which favours the best answers. `auto`: 0.2 or 0.1."""
    dimensions_per_block: Literal["auto"] | Annotated[int, Field(ge=1, le=16)] = "auto"
    """Number of dimensions that share 4 bits of a code. 1 is the finest and slowest. `auto`: 1 or 2."""
    reorder: Auto = "auto"
    """Number of candidates that are scored again with their full vectors. `auto`: 1 to 16 times the answers."""
    training_sample: int = Field(default=100_000, ge=1000)
    """Number of candidates on which cells and codes are trained."""
    queries: bool = False
    """Indexes the stored queries as well, with the same settings, for the signature `similar_queries`. Both models grow
    by the ids and by 4 bytes per query and dimension; the ScaNN model also grows by the codes."""
    sample_queries: int = Field(default=500, ge=1)
    """Number of queries on which recall is measured. The settings are chosen on the same number of other queries."""
    tuning_budget: int = Field(default=4_000_000, ge=0)
    """Limit on the candidates indexed while settings are chosen, summed over all trees. One tree is always built."""

    filters: dict[AttributeName, FilterKind | Filter] = {}
    """Columns of the candidate table by which a request to `recommend_where` or `similar_where` may filter, each with
    the kind of its constraint: `{country: any_of, in_stock: equals, price: range}`, or `{cheap: {kind: range, column:
    price}}`."""
    max_per: tuple[AttributeName, ...] = ()
    """Columns of the candidate table by whose values a request to these signatures may limit its answer, such as two
    candidates per brand."""
    mmr: bool = False
    """Offers the signatures `recommend_where` and `similar_where` without filters, for their input `mmr_lambda`, which
    makes an answer diverse."""

    @property
    def offered_filters(self) -> dict[str, Filter]:
        """The filters by name, written out."""
        return {name: it if isinstance(it, Filter) else Filter(kind=it) for name, it in self.filters.items()}

    @property
    def selects(self) -> bool:
        """Whether the models have the signatures that select by attributes."""
        return bool(self.filters or self.max_per or self.mmr)

    @property
    def attribute_columns(self) -> dict[str, str]:
        """Columns of the candidate table that are read, by the key that names them."""
        filters = {f"index.filters.{name}": it.column or name for name, it in self.offered_filters.items()}
        return filters | {f"index.max_per.{place}": name for place, name in enumerate(self.max_per)}

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
    """Number of answers to a request, at most the number of candidates."""
    remove_seen: bool = True
    """Leaves candidates in the request's history out of its answers."""
    known_queries: bool = False
    """Stores the features and events of the data's queries in both models, for the signature `recommend_known`."""
    display: str | None = None
    """Column of the candidate table that people read beside the ids; it is stored with the models."""
    item_columns: tuple[str, ...] = ()
    """Further columns of the candidate table that are stored with the models."""
