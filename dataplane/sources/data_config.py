"""Everything a user says about the data: the source of each table and what makes a row unusable."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from dataplane.sources.config import EntitiesSource, FromInteractions, InteractionsSource, SyntheticInteractions
from models.spec.strict import Strict

if TYPE_CHECKING:
    pass


class ExampleGenParams(Strict):
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
