"""The section `data` of the configuration: the source of each table, and how many unusable rows are tolerated."""

import re
from pathlib import Path

from pydantic import Field, model_validator

from dataplane.sources.config import (
    EntitiesSource,
    FileEntities,
    FileInteractions,
    FromInteractions,
    InteractionsSource,
    SyntheticInteractions,
)
from dataplane.sources.spans.config import SpansConfig
from models.spec.strict import Strict

PLACEHOLDER = "{SPAN}"
"""Stands for a span in a path."""
_BRACES = re.compile(r"\{[A-Za-z_]+\}")


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
    """Share of a table's rows that may be dead letters; with more, the run is refused. With `{SPAN}` in the path of the
    interactions, each span has this limit."""
    spans: SpansConfig | None = None
    """Spans that a run reads, if the path of the interactions has `{SPAN}`. By default, all."""

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

    @model_validator(mode="after")
    def _spans_have_their_place(self) -> "ExampleGenParams":
        placed = [table for table, source in self.tables().items() if _has_placeholder(table, source)]
        if placed and "interactions" not in placed:
            raise ValueError(f"'{placed[0]}.path' has {PLACEHOLDER}, so 'interactions.path' needs it too")
        if placed and isinstance(getattr(self.interactions, "path", None), dict):
            raise ValueError(f"'interactions.path' cannot have {PLACEHOLDER} and splits; use a column of splits")
        if self.spans is not None and not placed:
            raise ValueError(f"'spans' needs {PLACEHOLDER} in 'interactions.path', as in dt={PLACEHOLDER}/*.parquet")
        return self

    def entity_tables(self) -> dict[str, EntitiesSource]:
        """Sources of `queries` and `candidates`, as far as they are configured."""
        given = {"queries": self.queries, "candidates": self.candidates}
        return {table: source for table, source in given.items() if source is not None}

    def tables(self) -> dict[str, InteractionsSource | EntitiesSource]:
        """Sources of all configured tables."""
        return {"interactions": self.interactions, **self.entity_tables()}


def paths_of(source: object) -> list[str]:
    """Paths of a table that is read from files; [] for others."""
    if not isinstance(source, FileInteractions | FileEntities):
        return []
    given = source.path.values() if isinstance(source.path, dict) else [source.path]
    return [path for paths in given for path in ([paths] if isinstance(paths, str) else paths)]


def _has_placeholder(table: str, source: object) -> bool:
    paths = paths_of(source)
    for path in paths:
        if unknown := [name for name in _BRACES.findall(path) if name != PLACEHOLDER]:
            raise ValueError(f"'{table}.path' has {unknown[0]} in {path!r}; allowed: {PLACEHOLDER}")
    without = [path for path in paths if PLACEHOLDER not in path]
    if 0 < len(without) < len(paths):
        raise ValueError(f"'{table}.path' needs {PLACEHOLDER} in all its paths or in none; {without[0]!r} has none")
    return bool(paths) and not without
