"""BulkInferrer: the best candidates of every query, as Parquet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.bulk_inferrer.params import BulkInferrerParams
from dataplane.artifacts import Model, Recommendations, ServingModel, TransformedExamples, TransformGraph


class BulkInferrer(Component["BulkInferrer.Inputs", "BulkInferrer.Outputs", BulkInferrerParams]):
    """Recommends candidates to every query, given all of its events.

    Context features are missing values, unless the parameters give them.

    Writes `recommendations/part-*.parquet` with the columns `query_id`, `candidate_ids` (list of strings, best first)
    and `scores` (list of float32 of the same length). Rows are in the order of TransformedExamples. A list is shorter
    than `top_k` if fewer candidates remain.
    """

    @dataclass(frozen=True)
    class Inputs:
        """Queries with their events, the query tower, and the serving model with its embeddings and index."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        serving_model: ServingModel

    @dataclass(frozen=True)
    class Outputs:
        """The recommendations."""

        recommendations: Recommendations

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Embeds all queries, then ranks the catalogue for slices of them on Beam.

        Raises:
            DataError: the serving model was made from another catalogue.
        """
        from components.bulk_inferrer.executor import recommend_to_all

        return recommend_to_all(
            transformed_examples=inputs.transformed_examples,
            transform_graph=inputs.transform_graph,
            model=inputs.model,
            serving_model=inputs.serving_model,
            recommendations=outputs.recommendations,
            params=self.params,
            context=context,
        )
