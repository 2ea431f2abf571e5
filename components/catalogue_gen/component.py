"""CatalogueGen: encodes a new candidate table with the preprocessing of the published model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from components.base import Component, ExecutionContext, Prepared
from components.catalogue_gen.params import CatalogueGenParams
from dataplane.artifacts import Catalogue, Examples, TransformedExamples, TransformGraph

if TYPE_CHECKING:
    from dataplane.sources.files import Snapshot


class CatalogueGen(Component["CatalogueGen.Inputs", "CatalogueGen.Outputs", CatalogueGenParams]):
    """Reads a candidate table like ExampleGen and encodes it with the published model's vocabularies and statistics.

    Nothing is learnt, so the towers still fit. A candidate outside the vocabulary keeps its features and gets the
    out-of-vocabulary embedding.
    """

    @dataclass(frozen=True)
    class Inputs:
        """Artifacts from which the published model was trained."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph

    @dataclass(frozen=True)
    class Outputs:
        """Outputs of CatalogueGen.

        Attributes:
            examples: `candidates/` and `dead_letters/` as Parquet shards, and `summary.json`, as in ExampleGen.
            catalogue: `candidates/` encoded, in the layout of TransformedExamples, and `catalogue.json` with the
                number of candidates, of new and of removed candidates, and the identity of the refreshed model.
        """

        examples: Examples
        catalogue: Catalogue

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Reads the table, compares it with the model's candidates, and encodes it.

        Raises:
            DataError: as ExampleGen, or a column that the model reads is missing or has another type.
            RefusedError: too many of the model's candidates are missing from the table.
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
        from components.catalogue_gen.executor import make_catalogue

        return make_catalogue(
            params=self.params,
            files=files,
            transformed_examples=inputs.transformed_examples,
            transform_graph=inputs.transform_graph,
            examples=outputs.examples,
            catalogue=outputs.catalogue,
            context=context,
        )
