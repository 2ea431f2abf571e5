"""EmbeddingExporter: what both towers make of the data, as Parquet, for vector databases and for looking at it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.embedding_exporter.params import EmbeddingExporterParams
from dataplane.artifacts import Catalogue, Embeddings, Model, ServingModel, TransformedExamples, TransformGraph


class EmbeddingExporter(
    Component["EmbeddingExporter.Inputs", "EmbeddingExporter.Outputs", EmbeddingExporterParams],
):
    """Writes ids and embeddings as `candidates/part-*.parquet` and `queries/part-*.parquet`.

    Columns are `candidate_id` or `query_id` and `embedding`, a fixed-size list of float32. The schema's metadata tell
    `metric` (`dot_product`: of a query's and a candidate's embedding, it is the model's score) and `identity`, that of
    the serving model, as JSON.
    """

    @dataclass(frozen=True)
    class Inputs:
        """The data, the query tower, and the serving model; `catalogue` if that serves another than the data's own."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        serving_model: ServingModel
        catalogue: Catalogue | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The vectors."""

        embeddings: Embeddings

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Embeds and writes on Beam.

        Raises:
            DataError: the serving model was made of another catalogue.
        """
        from components.embedding_exporter.executor import export_embeddings

        return export_embeddings(
            transformed_examples=inputs.transformed_examples,
            transform_graph=inputs.transform_graph,
            model=inputs.model,
            serving_model=inputs.serving_model,
            catalogue=inputs.catalogue,
            embeddings=outputs.embeddings,
            params=self.params,
            context=context,
        )
