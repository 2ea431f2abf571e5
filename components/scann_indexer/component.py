"""ScannIndexer: embeds the catalogue, indexes it, measures the index, and exports what serves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.scann_indexer.params import ScannIndexerParams
from dataplane.artifacts import Catalogue, Model, ServingModel, TransformedExamples, TransformGraph
from dataplane.errors import RefusedError


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
        from components.scann_indexer.executor import Indexing

        serving_model = outputs.serving_model
        indexing = Indexing(
            inputs.transformed_examples, inputs.transform_graph, inputs.model, inputs.catalogue, context, self.params
        )
        report = indexing.build()
        serving_model.write_json("index.json", report)
        target = report["target"]
        if target["reached"] < target["recall"]:
            raise RefusedError(
                f"the index has recall@{target['k']} of {target['reached']:.4f} against exact search, less than "
                f"index.recall_target.recall {target['recall']}; leave leaves_to_search, reorder and "
                "dimensions_per_block of section index to be chosen (auto), or lower the target"
            )
        serving_model.write_json("expected_answers.json", indexing.expected_answers())
        sizes = indexing.export(serving_model.path)
        serving_model.write_json("index.json", report | {"bytes": sizes})
        return {key: report[key] for key in ("candidates", "dimension", "search", "recall", "latency_ms")}
