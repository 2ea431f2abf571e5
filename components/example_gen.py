"""ExampleGen: reads a user's data, whatever their format, into clean Parquet, and keeps what it had to reject."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from components.artifacts import Examples
from components.base import Component, ExecutionContext, NoInputs, Params
from components.sources.config import EntitiesSource, FromInteractions, InteractionsSource, SyntheticInteractions

if TYPE_CHECKING:
    from components.sources.files import Snapshot


class ExampleGenParams(Params):
    """Where the data are; `data` in the configuration."""

    base_dir: Path | None = Field(default=None, exclude=True)
    """What relative paths below are relative to: the configuration file's directory if absent. Not part of the cache
    key: what is read there is, so that the same files elsewhere are the same data."""
    interactions: InteractionsSource
    """Who chose what, and when: two id columns are enough."""
    queries: EntitiesSource | None = None
    """What is known about the queries."""
    candidates: EntitiesSource | None = None
    """What is known about the candidates."""
    max_bad_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of a table's rows that may be unusable before the run is refused."""

    @model_validator(mode="after")
    def _tables_fit_together(self) -> "ExampleGenParams":
        for table, source in self.entity_tables().items():
            if isinstance(self.interactions, SyntheticInteractions):
                raise ValueError(f"'{table}' cannot be given: synthetic interactions bring their own")
            if not isinstance(source, FromInteractions):
                continue
            id_column = self.interactions.columns.query_id
            if table == "candidates":
                id_column = self.interactions.columns.candidate_id
            if id_column in source.columns:
                raise ValueError(f"'{table}.columns' names the id column {id_column!r}, which is always there")
            if len(set(source.columns)) != len(source.columns):
                raise ValueError(f"'{table}.columns' names a column twice")
        return self

    def entity_tables(self) -> dict[str, EntitiesSource]:
        """The configured ones of `queries` and `candidates`."""
        given = {"queries": self.queries, "candidates": self.candidates}
        return {table: source for table, source in given.items() if source is not None}

    def tables(self) -> dict[str, InteractionsSource | EntitiesSource]:
        """All configured tables."""
        return {"interactions": self.interactions, **self.entity_tables()}


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
        from components.sources.snapshots import take_snapshot
        from components.sources.tables import ingest

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
        from components.sources.snapshots import fingerprint, take_snapshot

        sources, base_dir = self.params.tables(), self.params.base_dir
        self._listed = take_snapshot(sources, base_dir)
        return fingerprint(sources, self._listed, base_dir)
