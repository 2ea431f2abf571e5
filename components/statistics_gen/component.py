"""StatisticsGen: computes statistics of every column of the Examples.

`statistics.json` is described in `dataplane.statistics.report`. `statistics.pb` holds the same as a
`DatasetFeatureStatisticsList` of tensorflow-metadata, one dataset per table, which TFDV and Facets read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext, Params
from components.statistics_gen.params import TABLES
from dataplane.artifacts import Examples, Statistics
from dataplane.artifacts.examples import IngestSummary, WindowOfExamples, window_shards
from dataplane.artifacts.statistics import StatisticsReport, TableReport
from dataplane.shards import shards_of


class StatisticsGen(Component["StatisticsGen.Inputs", "StatisticsGen.Outputs", Params]):
    """Counts, extremes, moments, quantiles and frequent values of every column, on Beam."""

    @dataclass(frozen=True)
    class Inputs:
        """Artifacts that StatisticsGen reads."""

        examples: Examples

    @dataclass(frozen=True)
    class Outputs:
        """Artifacts that StatisticsGen writes."""

        statistics: Statistics

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes `statistics.json` and `statistics.pb`; facts are the rows of each table.

        Raises:
            DataError: a shard cannot be read, or the type of a column is not supported.
        """
        from dataplane.statistics.gather import gather_statistics
        from dataplane.statistics.tfmd import statistics_proto

        shards = {table: files for table in TABLES if (files := shards_of(inputs.examples.path / table))}
        derived, spans = _derived(inputs.examples), window_shards(inputs.examples)
        gathered = gather_statistics(shards, context, derived=derived, spans=spans) if shards else {}
        # Absent interactions count as zero rows, which ExampleValidator refuses.
        gathered.setdefault("interactions", TableReport(rows=0, columns={}))
        if rows := _span_rows(inputs.examples):
            gathered["interactions"] = gathered["interactions"].model_copy(update={"spans": rows})
        report = {table: gathered[table] for table in TABLES if table in gathered}
        StatisticsReport(report).write(outputs.statistics)
        (outputs.statistics.path / "statistics.pb").write_bytes(statistics_proto(report).SerializeToString(True))
        return {f"{table} rows": report[table].rows for table in report}


def _derived(examples: Examples) -> list[str]:
    """Tables that ExampleGen derived from the interactions; their ids need no comparison."""
    if not (examples.path / IngestSummary.FILE).exists():
        return []
    return list(IngestSummary.read(examples).derived)


def _span_rows(examples: Examples) -> dict[str, int]:
    """Rows of each span of the interactions, those without rows too; {} if they have no spans."""
    if not (examples.path / WindowOfExamples.FILE).exists():
        return {}
    return {span.span: span.rows for span in WindowOfExamples.read(examples).spans}
