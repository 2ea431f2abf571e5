"""ExampleGen: reads a user's data, whatever their format, into clean Parquet, and keeps what it had to reject."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.base import Component, ExecutionContext, NoInputs
from dataplane.artifacts import Examples

if TYPE_CHECKING:
    from dataplane.sources.files import Snapshot
from components.example_gen.params import ExampleGenParams


class ExampleGen(Component[NoInputs, "ExampleGen.Outputs", ExampleGenParams]):
    """Reads the sources and writes clean, typed Parquet shards."""

    @dataclass(frozen=True)
    class Outputs:
        """What ExampleGen makes.

        Attributes:
            examples: `interactions/`, `queries/`, `candidates/` and `dead_letters/` as Parquet shards, and
                `summary.json` with row counts (`in` = `out` + `dead` + `filtered`), reasons and column types.
        """

        examples: Examples

    Inputs = NoInputs

    def __init__(self, params: ExampleGenParams) -> None:
        super().__init__(params)
        self._listed: Snapshot | None = None

    def execute(self, inputs: NoInputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Reads all tables: the files that `external_fingerprint` saw, if it was asked, as they were then.

        Raises:
            DataError: a file is missing, broken, or changed while it was read, a column is not there or has the
                wrong type, a table has no usable row, or too many rows are unusable.
            RunError: an object store cannot be reached.
        """
        from dataplane.sources.ingestion.tables import ingest
        from dataplane.sources.snapshots import take_snapshot

        files, self._listed = self._listed, None
        params = self.params
        return ingest(
            params.tables(),
            take_snapshot(params.tables(), params.base_dir) if files is None else files,
            base_dir=params.base_dir,
            max_bad_fraction=params.max_bad_fraction,
            output=outputs.examples,
            context=context,
        )

    def external_fingerprint(self) -> str:
        """Digest of the content of all files read; of name, version and file sizes of prepared TFDS data sets.

        Of files in object stores, the store's tag of the content stands for it. A TFDS data set that is not prepared
        yet is downloaded for it.

        Raises:
            DataError: a file is missing, or a data set is not prepared and cannot be downloaded.
            RunError: an object store cannot be reached.
        """
        from dataplane.sources.snapshots import fingerprint, take_snapshot

        sources, base_dir = self.params.tables(), self.params.base_dir
        self._listed = take_snapshot(sources, base_dir)
        return fingerprint(sources, self._listed, base_dir)
