"""AttributeGen: gives the published models new attributes of their candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from components.attribute_gen.params import AttributeGenParams
from components.base import Component, ExecutionContext, Prepared
from dataplane.artifacts import Catalogue, Examples, Model, ServingModel, TransformedExamples, TransformGraph

if TYPE_CHECKING:
    from dataplane.sources.files import Snapshot


class AttributeGen(Component["AttributeGen.Inputs", "AttributeGen.Outputs", AttributeGenParams]):
    """Reads a candidate table and replaces the attributes in copies of both serving models.

    Towers, embeddings and index stay as they are, and so do the candidates: a new candidate in the table is left out,
    and a candidate that the table lacks has no attributes.
    """

    @dataclass(frozen=True)
    class Inputs:
        """The published models, and the artifacts that they were made from."""

        serving_model: ServingModel
        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        catalogue: Catalogue | None = None

    @dataclass(frozen=True)
    class Outputs:
        """Outputs of AttributeGen.

        Attributes:
            examples: the table as ingested.
            serving_model: the models with the new attributes.
        """

        examples: Examples
        serving_model: ServingModel

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Reads the table and writes both models.

        Raises:
            DataError: as ExampleGen, or a column of an attribute is missing or has a type that does not fit.
            RefusedError: the models have other filters, or too many candidates are missing from the table.
        """
        from dataplane.sources.snapshots import take_snapshot

        return self._make(take_snapshot(self.params.tables(), self.params.base_dir), inputs, outputs, context)

    def prepare(self) -> Prepared[Inputs, Outputs]:
        """Lists the table's files and digests their content, as ExampleGen.

        Raises:
            DataError: a file is missing, or a dataset is not prepared and cannot be downloaded.
            RunError: an object store cannot be reached.
        """
        from dataplane.sources.snapshots import file_digests, take_snapshot

        files = take_snapshot(self.params.tables(), self.params.base_dir)
        return Prepared(file_digests(self.params.tables(), files), partial(self._make, files))

    def _make(
        self, files: "Snapshot", inputs: Inputs, outputs: Outputs, context: ExecutionContext
    ) -> Mapping[str, Any]:
        from components.attribute_gen.executor import refresh_attributes
        from dataplane.dataset.sequences import read_ids
        from dataplane.sources.ingestion.tables import ingest

        params, source = self.params, inputs.catalogue or inputs.transformed_examples
        read = ingest(
            params.tables(),
            files,
            base_dir=params.base_dir,
            max_bad_fraction=params.max_bad_fraction,
            output=outputs.examples,
            context=context,
        )
        ids = read_ids(source.path / "candidates")
        found = refresh_attributes(params, ids, outputs.examples, inputs.serving_model, outputs.serving_model, context)
        return {**read, **found}
