"""Refusals of Transform: configurations that the tables cannot serve, and splits that leave a part empty."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.transform.params import TransformParams
from components.transform.splits import TEST, TRAIN, VALIDATION
from dataplane.artifacts import Examples
from dataplane.columns.raw_features import raw_features
from dataplane.dataset.sequences import SPLITS
from dataplane.errors import DataError
from dataplane.shards import shards_of
from models.spec.features import CANDIDATE_ID, QUERY_ID, TIMESTAMP, FeatureSpec, Side
from models.spec.split_config import FilesSplit, LeaveLastNSplit, RatioSplit, TimeSplit

_TABLE: dict[Side, str] = {"query": "queries", "context": "interactions", "candidate": "candidates"}


@dataclass(frozen=True)
class Tables:
    """The Parquet files of the examples.

    Attributes:
        interactions: at least one file.
        queries: empty if there is no table of queries.
        candidates: empty if there is no table of candidates.
    """

    interactions: list[Path]
    queries: list[Path]
    candidates: list[Path]

    @staticmethod
    def of(examples: Examples) -> "Tables":
        """Lists the files of an artifact.

        Raises:
            DataError: the artifact has no interactions.
        """
        interactions, queries, candidates = (
            shards_of(examples.path / name) for name in ("interactions", "queries", "candidates")
        )
        tables = Tables(interactions, queries, candidates)
        if not interactions or not tables.rows("interactions"):
            raise DataError("there are no interactions to learn from")
        return tables

    @property
    def ordered(self) -> bool:
        """Whether the events of a query are ordered in time."""
        return bool({TIMESTAMP, "order"} & set(self.schema("interactions").names))

    def schema(self, table: str) -> pa.Schema:
        """Schema of a table; empty if the table is absent."""
        files: list[Path] = getattr(self, table)
        return pq.read_schema(files[0]) if files else pa.schema([])

    def rows(self, table: str) -> int:
        """Number of rows of a table, from the files' footers."""
        return sum(pq.read_metadata(path).num_rows for path in getattr(self, table))


def check_tables(tables: Tables, params: TransformParams) -> None:
    """Refuses a split method, features or event weights for which the tables lack a column.

    Raises:
        DataError: a column is missing or of the wrong type.
    """
    if not params.final:
        _check_split(tables, params)
    for side in _TABLE:
        _check_features(tables, params.features, side)
    weights, columns = params.event_weights, tables.schema("interactions").names
    if weights is not None and weights.column not in columns:
        raise DataError(
            f"training.event_weights.column: the interactions have no column '{weights.column}'; they have "
            f"{', '.join(columns)}"
        )


def check_outcome(
    split_counts: np.ndarray, candidate_counts: np.ndarray, query_counts: np.ndarray, params: TransformParams
) -> None:
    """Refuses a split without training, validation or test events, or with a single query or candidate to train on.

    Args:
        split_counts: events of each split, `[len(SPLITS)]`.
        candidate_counts: training events of each candidate, `[candidates]`.
        query_counts: training events of each query, `[queries]`.
        params: parameters of the execution.

    Raises:
        DataError: the message gives the counts and says what to change.
    """
    needed = (TRAIN,) if params.final else (TRAIN, VALIDATION, TEST)
    empty = [SPLITS[code] for code in needed if split_counts[code] == 0]
    counted = ", ".join(f"{count} {name}" for name, count in zip(SPLITS, split_counts.tolist(), strict=True) if count)
    if empty:
        raise DataError(
            f"split: {params.split.method} leaves no {' and no '.join(empty)} events (there are: {counted}). "
            f"{_advice(params)}"
        )
    for counts, what in ((candidate_counts, "candidate"), (query_counts, "query")):
        if np.count_nonzero(counts) < 2:
            raise DataError(
                f"all {split_counts[TRAIN]} training events are of one {what}, so a model has nothing to learn "
                f"({counted}). Use more data, or another split"
            )


def _check_split(tables: Tables, params: TransformParams) -> None:
    names = tables.schema("interactions").names
    if isinstance(params.split, LeaveLastNSplit) and not tables.ordered:
        raise DataError(
            "split: leave_last_n needs a timestamp or order column in the interactions; map one in "
            "data.interactions.columns, or choose split method ratio"
        )
    if isinstance(params.split, TimeSplit) and TIMESTAMP not in names:
        raise DataError(
            "split: time needs a timestamp column in the interactions; map one in data.interactions.columns, or choose "
            "split method leave_last_n (with an order column) or ratio"
        )
    if isinstance(params.split, FilesSplit) and "split" not in names:
        raise DataError(
            "split: files needs the split of each interaction; set paths of train and test files, map a split column, "
            "or choose another split method"
        )


def _check_features(tables: Tables, features: FeatureSpec, side: Side) -> None:
    schema = tables.schema(_TABLE[side])
    id_column = {"query": QUERY_ID, "candidate": CANDIDATE_ID}.get(side)
    if id_column is not None and id_column not in schema.names:
        schema = schema.append(pa.field(id_column, pa.string()))
    try:
        raw_features(features.of(side), schema.empty_table())
    except DataError as error:
        there = "" if getattr(tables, _TABLE[side]) else f" (no {_TABLE[side]} table was given)"
        raise DataError(f"features.{side}: {error}{there}") from None


def _advice(params: TransformParams) -> str:
    match params.split:
        case LeaveLastNSplit(n=n):
            return f"Only queries with at least {2 * n + 1} events have events held out; lower n, or use ratio or time."
        case TimeSplit(test_from=None):
            return "Too many events share a timestamp; change the fractions, or set validation_from and test_from."
        case TimeSplit():
            return "Move validation_from and test_from into the time range of the data."
        case RatioSplit():
            return "Raise the fractions, or use more data."
        case _:
            return "Provide files or rows for every split; validation_fraction can take validation events from train."
