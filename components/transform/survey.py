"""First pass over the examples: counts candidate ids, moments and split names, and analyses the entity tables."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa

from components.transform.analysis import ValueCounts, analyse, learns_from_column
from components.transform.statistics_files import StatisticsFiles
from dataplane.columns.columnar import Mergeable, RowGroup, merge_states, read_row_group, single, write_arrow
from dataplane.columns.hashing import hash_strings
from models.spec.features import CANDIDATE_ID, QUERY_ID, TIMESTAMP, Feature, Side

_INTERACTIONS = "interactions"


PERIOD = 1 << 32
"""Length of a period in microseconds, 72 minutes. Moments are counted by period first. Only the periods that contain a
cut are then counted moment by moment."""


class CountColumns(beam.DoFn):
    """Maps row groups of interactions to (("interactions", column), counts); timestamps are counted by period."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def process(self, row_group: RowGroup) -> Iterator[tuple[tuple[str, str], Mergeable]]:
        """Counts the values of each column in one row group."""
        table = read_row_group(row_group, self._columns, [name for name in self._columns if name != TIMESTAMP])
        for name in self._columns:
            values = single(table[name]).drop_null()
            if name == TIMESTAMP:
                values = pa.array(_microseconds(values) // PERIOD)
            yield (_INTERACTIONS, name), ValueCounts.of(values)


class CountMoments(beam.DoFn):
    """Maps row groups of interactions to (periods, counts of the moments in these periods)."""

    def __init__(self, periods: tuple[int, ...]) -> None:
        self._periods = periods

    def process(self, row_group: RowGroup) -> Iterator[tuple[tuple[int, ...], Mergeable]]:
        """Counts the moments of one row group."""
        moments = _microseconds(single(read_row_group(row_group, [TIMESTAMP])[TIMESTAMP]).drop_null())
        yield self._periods, ValueCounts.of(pa.array(moments[np.isin(moments // PERIOD, self._periods)]))


def count_moments(pipeline: beam.Pipeline, row_groups: list[RowGroup], periods: tuple[int, ...], target: Path) -> None:
    """Adds a step that counts the moments in some periods and writes an Arrow file of `value` and `count`."""
    states = pipeline | beam.Create(row_groups) | beam.ParDo(CountMoments(periods))
    _ = merge_states(states) | beam.MapTuple(lambda _, state: write_arrow(target, state.unordered))


class AnalyseEntities(beam.DoFn):
    """Maps row groups of a query or candidate table to ((side, feature), state)."""

    def __init__(self, side: Side, features: Mapping[str, Feature]) -> None:
        self._side = side
        self._features = features

    def process(self, row_group: RowGroup) -> Iterator[tuple[tuple[str, str], Mergeable]]:
        """Analyses one row group."""
        id_column = QUERY_ID if self._side == "query" else CANDIDATE_ID
        columns = {feature.column or name for name, feature in self._features.items()}
        table = read_row_group(row_group, sorted(columns | {id_column}))
        hashes = hash_strings(table[id_column])
        for name, state in analyse(self._features, table, hashes):
            yield (self._side, name), state


def survey(
    pipeline: beam.Pipeline,
    *,
    interactions: list[RowGroup],
    columns: Sequence[str],
    entities: Mapping[Side, list[RowGroup]],
    statistics: StatisticsFiles,
    scratch: Path,
) -> None:
    """Adds the survey to a pipeline. After the pipeline has run, `surveyed` names the files of counts.

    Args:
        pipeline: the Beam pipeline.
        interactions: row groups of the interactions.
        columns: columns of the interactions to count.
        entities: row groups of the tables of queries and candidates.
        statistics: receives the statistics of the features.
        scratch: directory for the counts.
    """
    states = [
        pipeline | "Interactions" >> beam.Create(interactions) | "CountColumns" >> beam.ParDo(CountColumns(columns))
    ]
    for side, groups in entities.items():
        features = {n: f for n, f in statistics.features.of(side).items() if learns_from_column(n, f)}
        if groups and features:
            parts = pipeline | f"{side}Table" >> beam.Create(groups)
            states.append(parts | f"{side}Analyse" >> beam.ParDo(AnalyseEntities(side, features)))
    merged = merge_states(states | beam.Flatten())
    _ = merged | "Write" >> beam.MapTuple(partial(_write, statistics, scratch))


def _microseconds(moments: pa.Array) -> np.ndarray:
    values: np.ndarray = moments.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).to_numpy()
    return values


def surveyed(scratch: Path, column: str) -> Path:
    """File of a counted column, with its distinct `value`s and their `count`."""
    return scratch / f"{_INTERACTIONS}.{column}.arrow"


def _write(statistics: StatisticsFiles, scratch: Path, key: tuple[str, str], state: Mergeable) -> None:
    side, name = key
    if side == _INTERACTIONS:
        assert isinstance(state, ValueCounts)
        write_arrow(surveyed(scratch, name), state.unordered)
    else:
        statistics.write("query" if side == "query" else "candidate", name, state)
