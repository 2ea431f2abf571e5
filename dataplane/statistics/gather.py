"""The Beam pipeline that gathers statistics: shards → record batches → one `TableStatistics` per table.

The same pipeline compares the ids of the tables (`id_coverage`).
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.artifacts.document import read_model
from dataplane.artifacts.statistics import IdReport, TableReport
from dataplane.context import ExecutionContext
from dataplane.errors import DataError
from dataplane.parts import Parts
from dataplane.statistics.column_statistics import type_name
from dataplane.statistics.id_coverage import comparable_tables, compare_ids
from dataplane.statistics.report import table_report
from dataplane.statistics.span_statistics import SpanStatistics, write_state
from dataplane.statistics.table_statistics import TableStatistics

BATCH_ROWS = 1 << 16
_BATCH_BYTES = 64 << 20


def gather_statistics(
    shards: Mapping[str, Sequence[Path]],
    context: ExecutionContext,
    *,
    derived: Collection[str] = (),
    spans: Mapping[str, Sequence[Path]] = MappingProxyType({}),
) -> dict[str, TableReport]:
    """Computes the statistics of each table.

    Args:
        shards: Parquet files of each table.
        context: gives the Beam runner and a scratch directory, and keeps the statistics of each span.
        derived: tables that were derived from the interactions, so that their ids need no comparison.
        spans: shards of each span of the interactions, if they have spans.

    Raises:
        DataError: a shard is not a Parquet file, the type of a column is not supported, or shards disagree on a type.
    """
    files = [(table, path) for table, paths in shards.items() for path in paths]
    _check_types(files)
    compared = [table for table in comparable_tables(shards) if table not in derived]
    with context.scratch_directory() as scratch:
        (scratch / "ids").mkdir()
        known = SpanStatistics.of(spans, context.parts or Parts(scratch / "parts"))
        whole = [(table, str(path)) for table, path in files if not known.is_of_span(path)]
        with context.beam.pipeline() as pipeline:
            _read_shards(pipeline, whole, known.unread(), scratch)
            for table in compared:
                compare_ids(
                    pipeline, shards, table, spill=scratch / "spilled" / table, target=scratch / "ids" / f"{table}.json"
                )
        if spans:
            _write_report(str(scratch), "interactions", known.merged(scratch))
        coverage = {path.stem: read_model(path, IdReport) for path in sorted((scratch / "ids").glob("*.json"))}
        gathered = {path.stem: read_model(path, TableReport) for path in sorted(scratch.glob("*.json"))}
        return {
            table: report.model_copy(update={"ids": coverage[table]}) if table in coverage else report
            for table, report in gathered.items()
        }


def _read_shards(
    pipeline: beam.Pipeline, whole: Sequence[tuple[str, str]], unread: Iterable[Path], scratch: Path
) -> None:
    """Adds the steps that write the report of each table, and the state of each shard of a span that is not known."""
    (
        pipeline
        | "Shards" >> beam.Create(whole)
        | "Spread" >> beam.Reshuffle()
        | "ReadBatches" >> beam.FlatMapTuple(_read_batches)
        | "Combine" >> beam.CombinePerKey(_CombineTables())
        | "Write" >> beam.MapTuple(partial(_write_report, str(scratch)))
    )
    (
        pipeline
        | "SpanShards" >> beam.Create([str(path) for path in unread])
        | "SpreadSpans" >> beam.Reshuffle()
        | "ReadSpans" >> beam.Map(partial(_write_state, str(scratch)))
    )


class _CombineTables(beam.CombineFn):
    """Merges record batches into one `TableStatistics`."""

    def create_accumulator(self) -> TableStatistics:
        return TableStatistics()

    def add_input(self, accumulator: TableStatistics, batch: pa.RecordBatch) -> TableStatistics:
        accumulator.add(batch)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[TableStatistics]) -> TableStatistics:
        merged = TableStatistics()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: TableStatistics) -> TableStatistics:
        return accumulator


def _check_types(shards: list[tuple[str, Path]]) -> None:
    """Checks the footers first, because an error inside a pipeline reaches the user as a long Beam traceback."""
    seen: dict[tuple[str, str], tuple[str, Path]] = {}
    for table, path in shards:
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{path}: not a readable Parquet file: {error}") from error
        for column in schema:
            try:
                found = type_name(column.type)
            except DataError as error:
                raise DataError(f"{path}: column '{column.name}': {error}") from error
            known, where = seen.setdefault((table, column.name), (found, path))
            if known != found:
                raise DataError(f"{path}: column '{column.name}' is {found} here and {known} in {where.name}")


def _read_batches(table: str, path: str) -> Iterator[tuple[str, pa.RecordBatch]]:
    strings = [column.name for column in pq.read_schema(path) if type_name(column.type) == "string"]
    with pq.ParquetFile(path, read_dictionary=strings) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        row_bytes = sum(group.total_byte_size for group in groups) // max(1, file.metadata.num_rows)
        # Rows with long vectors are read in smaller batches.
        rows = max(1, min(BATCH_ROWS, _BATCH_BYTES // max(1, row_bytes)))
        for batch in file.iter_batches(rows):
            yield table, batch


def _write_state(directory: str, path: str) -> None:
    """Writes the statistics of one shard of a span. No worker holds those of several shards."""
    statistics = TableStatistics()
    for _, batch in _read_batches("", path):
        statistics.add(batch)
    write_state(Path(directory), Path(path), statistics)


def _write_report(directory: str, table: str, statistics: TableStatistics) -> None:
    text = json.dumps(table_report(statistics).model_dump(mode="json", exclude_unset=True), ensure_ascii=False)
    (Path(directory) / f"{table}.json").write_text(text, encoding="utf-8")
