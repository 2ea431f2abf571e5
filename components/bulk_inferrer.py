"""BulkInferrer: the best candidates of every query, as Parquet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from components.artifacts import Model, Recommendations, ServingModel, TransformedExamples, TransformGraph
from components.base import Component, ExecutionContext, Params


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


class BulkInferrer(Component["BulkInferrer.Inputs", "BulkInferrer.Outputs", BulkInferrerParams]):
    """Answers every query after all of its events, context features missing.

    Writes `recommendations/part-*.parquet` with `query_id`, `candidate_ids` (list of strings, best first) and `scores`
    (list of float32, same length; shorter where fewer candidates are left), in the order of TransformedExamples.
    """

    @dataclass(frozen=True)
    class Inputs:
        """Queries and their events, the query tower, and the exported candidate embeddings and index."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        serving_model: ServingModel

    @dataclass(frozen=True)
    class Outputs:
        """The answers."""

        recommendations: Recommendations

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Embeds all queries, then ranks the catalogue for slices of them on Beam.

        Raises:
            DataError: the serving model was made of another catalogue.
        """
        from components.serving.bulk_inference import recommend_to_all

        return recommend_to_all(
            transformed_examples=inputs.transformed_examples,
            transform_graph=inputs.transform_graph,
            model=inputs.model,
            serving_model=inputs.serving_model,
            recommendations=outputs.recommendations,
            params=self.params,
            context=context,
        )
