"""ExampleGen: reads source data of any supported format into clean Parquet, and keeps the rejected rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from components.base import Component, ExecutionContext, NoInputs, Prepared
from components.example_gen.params import ExampleGenParams
from dataplane.artifacts import Examples

if TYPE_CHECKING:
    from dataplane.sources.files import Snapshot


class ExampleGen(Component[NoInputs, "ExampleGen.Outputs", ExampleGenParams]):
    """Reads the sources and writes clean, typed Parquet shards."""

    @dataclass(frozen=True)
    class Outputs:
        """Outputs of ExampleGen.

        Attributes:
            examples: `interactions/`, `queries/`, `candidates/` and `dead_letters/` as Parquet shards, and
                `summary.json` with row counts (`in` = `out` + `dead` + `filtered`), reasons and column types.
        """

        examples: Examples

    Inputs = NoInputs

    def execute(self, inputs: NoInputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Reads all tables.

        Raises:
            DataError: a file is missing, broken or changed while it was read; a column is missing or has the wrong
                type; a table has no usable row; or too many rows are unusable.
            RunError: an object store cannot be reached.
        """
        from dataplane.sources.snapshots import take_snapshot

        return self._read(take_snapshot(self.params.tables(), self.params.base_dir), inputs, outputs, context)

    def prepare(self) -> Prepared[NoInputs, Outputs]:
        """Lists all files and digests their content, see `dataplane.sources.snapshots.file_digests`.

        Raises:
            DataError: a file is missing, or a dataset is not prepared and cannot be downloaded.
            RunError: an object store cannot be reached.
        """
        from dataplane.sources.snapshots import file_digests, take_snapshot

        files = take_snapshot(self.params.tables(), self.params.base_dir)
        return Prepared(file_digests(self.params.tables(), files), partial(self._read, files))

    def _read(
        self, files: "Snapshot", inputs: NoInputs, outputs: Outputs, context: ExecutionContext
    ) -> Mapping[str, Any]:
        from dataplane.sources.ingestion.tables import ingest

        return ingest(
            self.params.tables(),
            files,
            base_dir=self.params.base_dir,
            max_bad_fraction=self.params.max_bad_fraction,
            output=outputs.examples,
            context=context,
        )
