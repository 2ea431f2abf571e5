"""BulkInferrer: the best candidates of every query, as Parquet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.bulk_inferrer.params import BulkInferrerParams
from dataplane.artifacts import Model, Recommendations, ServingModel, TransformedExamples, TransformGraph


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
