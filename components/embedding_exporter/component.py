"""EmbeddingExporter: writes the embeddings of both towers as Parquet, for vector databases and for analysis."""

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

    The columns are `candidate_id` or `query_id`, and `embedding`, a fixed-size list of float32. The metadata of the
    Parquet schema give `metric` and `identity`. The metric is `dot_product`: the model's score is the dot product of a
    query embedding and a candidate embedding. The identity is that of the serving model, as JSON.
    """

    @dataclass(frozen=True)
    class Inputs:
        """The data, the query tower and the serving model; `catalogue` if the serving model has a refreshed one."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        serving_model: ServingModel
        catalogue: Catalogue | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The embeddings."""

        embeddings: Embeddings

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Embeds the queries and writes both tables on Beam.

        Raises:
            DataError: the serving model was made from another catalogue.
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
