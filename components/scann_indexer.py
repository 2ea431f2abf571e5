"""ScannIndexer: embeds the catalogue, indexes it, measures the index, and exports what serves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from components.artifacts import Catalogue, Model, ServingModel, TransformedExamples, TransformGraph
from components.base import Component, ExecutionContext, Params
from components.errors import RefusedError

Auto = Literal["auto"] | Annotated[int, Field(ge=1)]


class IndexConfig(Params):
    """How the ScaNN model searches; section `index`. The exact model has nothing to set."""

    brute_force_below: int = Field(default=10_000, ge=0)
    """Catalogues smaller than this are searched exactly in the ScaNN model too: there a tree is no faster."""
    leaves: Auto = "auto"
    """Cells the candidates are partitioned into; `auto`: about the square root of their number."""
    leaves_to_search: Auto = "auto"
    """Cells looked into for a query; `auto`: a tenth of them, less of large indexes, doubled until `min_recall`."""
    anisotropic_threshold: float = Field(default=0.2, ge=0, lt=1)
    """Weight of errors along a vector in its code (Guo et al. 2020); larger favours the best answers."""
    dimensions_per_block: int = Field(default=2, ge=1, le=16)
    """Dimensions that share 4 bits of a code; 1 is finest and slowest."""
    reorder: Auto = "auto"
    """Candidates scored again with their full vectors; `auto`: ten times the answers, at least 1000."""
    training_sample: int = Field(default=100_000, ge=1000)
    """Candidates that cells and codes are learnt from."""
    queries: bool = False
    """Whether the stored queries are indexed as well, for the signature `similar_queries`. Both models grow by their
    ids and 4 bytes per query and dimension; ScaNN's by its codes, half a byte per block, too."""
    sample_queries: int = Field(default=1000, ge=1)
    """Queries of the data on which recall is measured."""
    min_recall: float = Field(default=0.95, ge=0, le=1)
    """The index is refused if its recall against exact search is lower, at 10 or at `top_k` answers."""

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


class ScannIndexer(Component["ScannIndexer.Inputs", "ScannIndexer.Outputs", ScannIndexerParams]):
    """Exports two serving models that differ in their search only: ScaNN's, and an exact one of stock operations.

    Besides the SavedModels `scann/` and `exact/` it writes `index.json` (settings, recall, sizes, seconds) and
    `expected_answers.json` (what some stored queries must be answered, computed without the serving models).
    """

    @dataclass(frozen=True)
    class Inputs:
        """Encoded catalogue and queries, preprocessing and towers; `catalogue` takes the place of the data's own."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        catalogue: Catalogue | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The serving models."""

        serving_model: ServingModel

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Builds, measures and exports.

        Raises:
            DataError: an embedding is NaN or infinite, or there is no candidate.
            RefusedError: the index finds too few of the exact answers; `index.json` is written.
        """
        from components.serving.indexing import Indexing

        serving_model = outputs.serving_model
        indexing = Indexing(
            inputs.transformed_examples, inputs.transform_graph, inputs.model, inputs.catalogue, context, self.params
        )
        report = indexing.build()
        serving_model.write_json("index.json", report)
        least = self.params.index.min_recall
        for name, recall in report["recall"].items():
            if recall < least:
                raise RefusedError(
                    f"the index has {name} of {recall:.4f} against exact search, less than index.min_recall {least}; "
                    "raise index.leaves_to_search or index.reorder, or lower index.dimensions_per_block"
                )
        serving_model.write_json("expected_answers.json", indexing.expected_answers())
        sizes = indexing.export(serving_model.path)
        serving_model.write_json("index.json", report | {"bytes": sizes})
        return {key: report[key] for key in ("candidates", "dimension", "search", "recall", "latency_ms")}
