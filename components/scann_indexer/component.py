"""ScannIndexer: embeds the catalogue, indexes it, measures the index, and exports the serving models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.scann_indexer.params import ScannIndexerParams
from dataplane.artifacts import Catalogue, Examples, Model, ServingModel, TransformedExamples, TransformGraph
from dataplane.artifacts.serving_model import Target
from dataplane.errors import RefusedError


class ScannIndexer(Component["ScannIndexer.Inputs", "ScannIndexer.Outputs", ScannIndexerParams]):
    """Exports two serving models that differ only in their search: ScaNN, and exact search with stock operations.

    Besides the SavedModels `scann/` and `exact/` it writes `index.json` (settings, recall, sizes, seconds) and
    `expected_answers.json` (the right answers to some stored queries, computed without the serving models).
    """

    @dataclass(frozen=True)
    class Inputs:
        """Inputs of ScannIndexer.

        Attributes:
            transformed_examples: the encoded catalogue and queries.
            transform_graph: the preprocessing.
            model: the towers.
            catalogue: replaces the candidates of the data.
            examples: the candidate table, if columns of it are stored with the models.
        """

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        catalogue: Catalogue | None = None
        examples: Examples | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The serving models."""

        serving_model: ServingModel

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Builds, measures and exports the index.

        Raises:
            DataError: an embedding is NaN or infinite, or there is no candidate.
            RefusedError: the index misses the recall target. `index.json` is written before.
        """
        from components.scann_indexer.executor import choose, embed, measure, open_subject
        from components.scann_indexer.exporting import expected_answers, export_models

        serving_model = outputs.serving_model
        subject = open_subject(
            inputs.transformed_examples, inputs.transform_graph, inputs.model, inputs.catalogue, self.params, context
        )
        embedded = embed(subject)
        chosen = choose(subject, embedded)
        report = measure(subject, embedded, chosen)
        report.write(serving_model)
        _refuse_missed(report.target)
        expected_answers(subject, embedded).write(serving_model)
        exported = export_models(subject, embedded, chosen, serving_model.path, examples=inputs.examples)
        report.model_copy(update=exported).write(serving_model)
        return report.model_dump(include={"candidates", "dimension", "search", "recall", "latency_ms"})


def _refuse_missed(target: Target) -> None:
    if target.reached < target.recall:
        raise RefusedError(
            f"the index has recall@{target.k} of {target.reached:.4f} against exact search, less than "
            f"index.recall_target.recall {target.recall}; set leaves_to_search, reorder and "
            "dimensions_per_block of section index to auto, or lower the target"
        )
