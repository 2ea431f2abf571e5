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
    from dataplane.sources.spans.window import Window


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
        """Reads all tables. Of interactions with spans, reads those that `context.parts` lacks.

        Raises:
            DataError: a file or span is missing, broken or changed while it was read; a column is missing or has the
                wrong type; a table has no usable row; or too many rows are unusable.
            RunError: an object store cannot be reached.
        """
        return self.prepare().execute(inputs, outputs, context)

    def prepare(self) -> Prepared[NoInputs, Outputs]:
        """Lists all files and digests their content, see `dataplane.sources.snapshots.file_digests`.

        Raises:
            DataError: a file or span is missing, or a dataset is not prepared and cannot be downloaded.
            RunError: an object store cannot be reached.
        """
        from dataplane.sources.snapshots import file_digests, take_snapshot
        from dataplane.sources.spans.window import resolved

        params, window = resolved(self.params)
        files = take_snapshot(params.tables(), params.base_dir)
        digests = file_digests(params.tables(), files)
        return Prepared(digests, partial(self._read, params, window, files, digests))

    def _read(
        self,
        params: ExampleGenParams,
        window: "Window | None",
        files: "Snapshot",
        digests: Mapping[str, str],
        inputs: NoInputs,
        outputs: Outputs,
        context: ExecutionContext,
    ) -> Mapping[str, Any]:
        from dataplane.sources.ingestion.tables import ingest
        from dataplane.sources.ingestion.windows import WindowIngestion

        tables, base_dir, max_bad_fraction = params.tables(), params.base_dir, params.max_bad_fraction
        if window is None:
            return ingest(
                tables,
                files,
                base_dir=base_dir,
                max_bad_fraction=max_bad_fraction,
                output=outputs.examples,
                context=context,
            )
        empty = params.spans.empty if params.spans else "fail"
        window_ingestion = WindowIngestion(tables, window, files, digests, base_dir, max_bad_fraction, empty)
        return window_ingestion.run(outputs.examples, context)
