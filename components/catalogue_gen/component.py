"""CatalogueGen: encodes a new candidate table with the preprocessing of a model that is served."""

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
    """Reads a candidate table as ExampleGen does and encodes it; learns nothing, so the towers still fit.

    A candidate that the vocabulary does not know gets the out-of-vocabulary row, and its features.
    """

    @dataclass(frozen=True)
    class Inputs:
        """What the published model was made of."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph

    @dataclass(frozen=True)
    class Outputs:
        """What CatalogueGen makes.

        Attributes:
            examples: `candidates/` and `dead_letters/` as Parquet shards, and `summary.json`, as ExampleGen's.
            catalogue: `candidates/` encoded, in the layout of TransformedExamples, and `catalogue.json`: how many
                there are, how many of them are new, how many were removed, and the identity that is refreshed.
        """

        examples: Examples
        catalogue: Catalogue

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Reads, compares and encodes.

        Raises:
            DataError: as ExampleGen, or a column that the model reads is missing or of another type.
            RefusedError: too many of the model's candidates are not in the table.
        """
        from dataplane.sources.snapshots import take_snapshot

        return self._make(take_snapshot(self.params.tables(), self.params.base_dir), inputs, outputs, context)

    def prepare(self) -> Prepared[Inputs, Outputs]:
        """Lists the table's files; the fingerprint is of their content, as ExampleGen's.

        Raises:
            DataError: a file is missing, or a data set is not prepared and cannot be downloaded.
            RunError: an object store cannot be reached.
        """
        from dataplane.sources.snapshots import fingerprint, take_snapshot

        files = take_snapshot(self.params.tables(), self.params.base_dir)
        return Prepared(fingerprint(self.params.tables(), files), partial(self._make, files))

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
