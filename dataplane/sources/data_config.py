"""The section `data` of the configuration: the source of each table, and how many unusable rows are tolerated."""

from pathlib import Path

from pydantic import Field, model_validator

from dataplane.sources.config import EntitiesSource, FromInteractions, InteractionsSource, SyntheticInteractions
from models.spec.strict import Strict


class ExampleGenParams(Strict):
    """Sources of the tables: section `data`."""

    base_dir: Path | None = Field(default=None, exclude=True)
    """Directory from which relative paths in this section start; defaults to the directory of the configuration file.
    It is not part of the cache key. The content of the files is, so the same files elsewhere are the same data."""
    interactions: InteractionsSource
    """Table of interactions: which query chose which candidate, and when. Only the two id columns are required."""
    queries: EntitiesSource | None = None
    """Table of queries with their features. Without it, queries have only their id."""
    candidates: EntitiesSource | None = None
    """Table of candidates with their features. Without it, the candidates are those of the interactions."""
    max_bad_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of a table's rows that may be dead letters; with more, the run is refused."""

    @model_validator(mode="after")
    def _tables_fit_together(self) -> "ExampleGenParams":
        for table, source in self.entity_tables().items():
            if isinstance(self.interactions, SyntheticInteractions):
                raise ValueError(f"'{table}' must be left out: synthetic interactions generate their own")
            if not isinstance(source, FromInteractions):
                continue
            id_column = self.interactions.columns.query_id
            if table == "candidates":
                id_column = self.interactions.columns.candidate_id
            if id_column in source.columns:
                raise ValueError(f"'{table}.columns' names the id column {id_column!r}, which is always included")
            if len(set(source.columns)) != len(source.columns):
                raise ValueError(f"'{table}.columns' names a column twice")
        return self

    def entity_tables(self) -> dict[str, EntitiesSource]:
        """Sources of `queries` and `candidates`, as far as they are configured."""
        given = {"queries": self.queries, "candidates": self.candidates}
        return {table: source for table, source in given.items() if source is not None}

    def tables(self) -> dict[str, InteractionsSource | EntitiesSource]:
        """Sources of all configured tables."""
        return {"interactions": self.interactions, **self.entity_tables()}
