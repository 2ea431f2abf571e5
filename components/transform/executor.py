"""Executes Transform: surveys the data, shuffles and consolidates the events, builds vocabularies, encodes."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.base import ExecutionContext
from components.transform.checks import Tables, check_outcome, check_tables
from components.transform.consolidation import Consolidated, consolidate
from components.transform.event_schema import EventSchema
from components.transform.params import TransformParams
from components.transform.shuffle import OrderShard, PartitionEvents, PartitionQueries
from components.transform.span_events import (
    BUCKETS,
    DividedPiece,
    MapCandidates,
    candidates_of,
    divide_spans,
    shards_for,
)
from components.transform.splits import Splitter, time_cuts
from components.transform.statistics_files import StatisticsFiles
from components.transform.survey import PERIOD, count_moments, survey, surveyed
from dataplane.artifacts import Examples, TransformedExamples, TransformGraph
from dataplane.artifacts.examples import window_shards
from dataplane.artifacts.transform_graph import write_spec
from dataplane.artifacts.transformed_examples import Cuts, DatasetMetadata
from dataplane.columns.columnar import merge_states, read_arrow, row_groups
from dataplane.columns.distinct import distinct_ids
from dataplane.dataset.sequences import SPLITS, write_ids
from dataplane.errors import DataError
from models.spec.features import CANDIDATE_ID, QUERY_ID, TIMESTAMP, CategoricalFeature, IdFeature, Side
from models.spec.moments import iso_moment
from models.spec.split_config import FilesSplit, TimeSplit

_ROWS_PER_SHARD = 1_000_000


@dataclass(frozen=True)
class Transformation:
    """One execution of Transform.

    Attributes:
        params: parameters of the component.
        examples: the input.
        transform_graph: the output with the encoder.
        transformed: the output with the encoded examples.
        context: gives the Beam runner, the progress line and a place for temporary files.
    """

    params: TransformParams
    examples: Examples
    transform_graph: TransformGraph
    transformed: TransformedExamples
    context: ExecutionContext

    def run(self) -> Mapping[str, Any]:
        """Writes both outputs and returns the counts that a run shows."""
        tables = Tables.of(self.examples)
        check_tables(tables, self.params)
        with self.context.scratch_directory() as scratch:
            statistics = StatisticsFiles(self.params.features, self.transform_graph.path, scratch / "statistics")
            pieces = self._divide(tables, scratch)
            self._survey(tables, statistics, scratch, pieces)
            candidates = self._write_catalogue(tables, scratch, pieces)
            splitter = self._splitter(tables, scratch)
            self._shuffle(tables, statistics, splitter, scratch / "shards", pieces)
            counts = consolidate(scratch / "shards", self.transformed.path, len(candidates))
            check_outcome(counts.split_counts, counts.candidate_counts, counts.query_counts, self.params)
            self._learn_ids(statistics, counts, candidates)
            self._encode(tables, statistics, counts, candidates)
        return self._write_metadata(tables, counts, len(candidates), splitter)

    def _divide(self, tables: Tables, scratch: Path) -> list[DividedPiece]:
        """Divides the events of spans; [] if there are none, or more events than buckets hold."""
        spans = window_shards(self.examples)
        if not spans or self.params.shards or self._shards(tables) > BUCKETS:
            return []
        self.context.progress("dividing the events of new spans")
        return divide_spans(spans, self._schema(tables), self.context, scratch)

    def _shards(self, tables: Tables) -> int:
        wanted = max(1 + tables.rows("interactions") // _ROWS_PER_SHARD, self.context.beam.concurrency())
        return self.params.shards or wanted

    def _schema(self, tables: Tables) -> EventSchema:
        with_split = not self.params.final and isinstance(self.params.split, FilesSplit)
        return EventSchema.of(
            tables.schema("interactions"),
            self.params.features.columns("context").values(),
            with_split=with_split,
            event_weights=self.params.event_weights,
        )

    def _survey(
        self, tables: Tables, statistics: StatisticsFiles, scratch: Path, pieces: Sequence[DividedPiece]
    ) -> None:
        self.context.progress("surveying the examples")
        columns = [] if pieces else [CANDIDATE_ID]
        split = None if self.params.final else self.params.split
        if isinstance(split, TimeSplit) and split.test_from is None:
            columns.append(TIMESTAMP)
        if isinstance(split, FilesSplit):
            columns.append("split")
        entities: dict[Side, list[tuple[str, int]]] = {
            "query": row_groups(tables.queries),
            "candidate": row_groups(tables.candidates),
        }
        with self.context.beam.pipeline() as pipeline:
            survey(
                pipeline,
                interactions=row_groups(tables.interactions) if columns else [],
                columns=columns,
                entities=entities,
                statistics=statistics,
                scratch=scratch,
            )

    def _write_catalogue(self, tables: Tables, scratch: Path, pieces: Sequence[DividedPiece]) -> pa.Array:
        columns = candidates_of(pieces) or [read_arrow(surveyed(scratch, CANDIDATE_ID))["value"]]
        columns += [pq.read_table(path, columns=[CANDIDATE_ID])[CANDIDATE_ID] for path in tables.candidates]
        candidates = distinct_ids(*columns)
        if len(candidates) < 2:
            raise DataError(f"there is only one candidate, {candidates[0].as_py()!r}; a recommender needs at least two")
        write_ids(self.transformed.path / "candidates", candidates)
        return candidates

    def _splitter(self, tables: Tables, scratch: Path) -> Splitter:
        split = self.params.split
        if self.params.final:
            return Splitter(None)
        if isinstance(split, TimeSplit):
            return Splitter(split, cuts=self._cuts(split, tables, scratch))
        if isinstance(split, FilesSplit):
            given = read_arrow(surveyed(scratch, "split"))["value"].to_pylist()
            return Splitter(split, seed=self.params.seed, carve_validation="validation" not in given)
        return Splitter(split, seed=self.params.seed)

    def _cuts(self, split: TimeSplit, tables: Tables, scratch: Path) -> tuple[int, int]:
        if split.test_from is not None:
            return time_cuts(split, np.empty(0, np.int64), np.empty(0, np.int64))
        periods = _sorted_counts(read_arrow(surveyed(scratch, TIMESTAMP)))
        rough = time_cuts(split, *periods)
        exact = scratch / "moments.arrow"
        with self.context.beam.pipeline() as pipeline:
            count_moments(pipeline, row_groups(tables.interactions), tuple(sorted(set(rough))), exact)
        # Counts of single moments replace the counts of the periods that contain a cut.
        others = ~np.isin(periods[0], rough)
        moments, counts = _sorted_counts(read_arrow(exact))
        every = np.concatenate([periods[0][others] * PERIOD, moments])
        order = np.argsort(every)
        return time_cuts(split, every[order], np.concatenate([periods[1][others], counts])[order])

    def _shuffle(
        self,
        tables: Tables,
        statistics: StatisticsFiles,
        splitter: Splitter,
        directory: Path,
        pieces: Sequence[DividedPiece],
    ) -> None:
        self.context.progress("ordering the events of every query")
        features, shards = self.params.features, self._shards(tables)
        shards = shards_for(shards) if pieces else shards
        catalogue, spill = self.transformed.path / "candidates", directory / "spilled"
        order = OrderShard(directory, catalogue, splitter, self.params.max_events_per_query, features.of("context"))
        partition: beam.DoFn = PartitionEvents(self._schema(tables), shards, catalogue, spill)
        if pieces:
            partition = MapCandidates(shards, catalogue, spill)
        with self.context.beam.pipeline() as pipeline:
            events = pipeline | "Events" >> beam.Create(pieces or row_groups(tables.interactions))
            queries = pipeline | "Queries" >> beam.Create(row_groups(tables.queries))
            parts = {
                "events": events | "PartitionEvents" >> beam.ParDo(partition),
                "queries": queries | "PartitionQueries" >> beam.ParDo(PartitionQueries(shards, spill)),
            }
            states = parts | beam.CoGroupByKey() | "OrderShard" >> beam.FlatMapTuple(order)
            _ = merge_states(states) | "Write" >> beam.MapTuple(partial(statistics.write, "context"))
        shutil.rmtree(spill)

    def _learn_ids(self, statistics: StatisticsFiles, counts: Consolidated, candidates: pa.Array) -> None:
        """Builds the vocabularies of query and candidate ids, counted over the training events."""
        counted = {
            QUERY_ID: pa.table({"value": counts.queries, "count": counts.query_counts}),
            CANDIDATE_ID: pa.table({"value": candidates, "count": counts.candidate_counts}),
        }
        sides: tuple[Side, ...] = ("query", "context", "candidate")
        for side in sides:
            for name, feature in self.params.features.of(side).items():
                values = counted.get(feature.column or name)
                if values is not None and isinstance(feature, IdFeature | CategoricalFeature):
                    statistics.write_vocabulary(side, name, values.filter(pc.greater(values["count"], 0)))

    def _encode(self, tables: Tables, statistics: StatisticsFiles, counts: Consolidated, candidates: pa.Array) -> None:
        self.context.progress("encoding features")
        from dataplane.dataset.encoding import encode_everything
        from models.preprocessing.preprocessing import Preprocessing

        preprocessing = Preprocessing(self.params.features, statistics.read(), assets=statistics.scratch / "assets")
        saved_model = self.transform_graph.path / "saved_model"
        preprocessing.save(saved_model)
        write_spec(self.transform_graph, preprocessing.spec)
        encode_everything(
            runner=self.context.beam,
            saved_model=saved_model,
            spec=preprocessing.spec,
            target=self.transformed.path,
            entities={
                "query": (counts.queries, tables.queries),
                "candidate": (candidates, tables.candidates),
            },
            shards=counts.shards,
            events=len(counts),
        )

    def _write_metadata(
        self, tables: Tables, counts: Consolidated, candidates: int, splitter: Splitter
    ) -> Mapping[str, Any]:
        facts: dict[str, Any] = {
            "events": len(counts),
            "queries": len(counts.queries),
            "candidates": candidates,
            "counts": dict(zip(SPLITS, counts.split_counts.tolist(), strict=True)),
        }
        if counts.left_out[0]:
            limit = self.params.max_events_per_query
            facts["left_out"] = {"limit": limit, "queries": counts.left_out[0], "events": counts.left_out[1]}
        cuts = (
            {}
            if splitter.cuts is None
            else {"cuts": Cuts(validation_from=iso_moment(splitter.cuts[0]), test_from=iso_moment(splitter.cuts[1]))}
        )
        time_range = counts.time_range
        DatasetMetadata(
            ordered=tables.ordered,
            split=self.params.split.model_dump(mode="json", exclude_none=True),
            seed=self.params.seed,
            final=self.params.final,
            time_range=None if time_range is None else (iso_moment(time_range[0]), iso_moment(time_range[1])),
            **facts,
            **cuts,
        ).write(self.transformed)
        return facts


def _sorted_counts(counted: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    ordered = counted.sort_by("value")
    return ordered["value"].to_numpy(), ordered["count"].to_numpy()
