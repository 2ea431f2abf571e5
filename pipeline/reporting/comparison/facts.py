"""The facts of the runs of a comparison."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.artifacts import Evaluation, Examples, Recommendations
from dataplane.shards import shards_of
from pipeline.config.settings import display_column
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.reporting.charts.series import COLOURS
from pipeline.reporting.facts import Documents
from pipeline.reporting.outcome import outcome
from pipeline.reporting.reading import DocumentReader, executions_of
from pipeline.reporting.titles import Titles, read_titles
from pipeline.reporting.words import moment

MOST_RUNS = len(COLOURS)
"""Runs of one comparison, each with its own colour."""


@dataclass(frozen=True)
class Compared:
    """A run of a comparison.

    Attributes:
        letter: name of the run in the comparison; the other runs are compared with A.
        pipeline: name of the pipeline.
        run: record of the run.
        executions: finished executions, by node.
        documents: documents of the artifacts.
        titles: titles of the candidates in the answers.
        values: metrics of each test query, with the column `query_id`; None if the run has none.
        recommendations: Parquet files with the recommendations to all queries; empty if the run has none.
        unread: messages about unreadable files.
        report: path of the report, which may not exist.
    """

    letter: str
    pipeline: str
    run: Run
    executions: Mapping[str, Execution]
    documents: Documents
    titles: Titles
    values: pa.Table | None
    recommendations: tuple[Path, ...]
    unread: tuple[str, ...]
    report: Path

    @property
    def when(self) -> str:
        """Start of the run."""
        return moment(self.run.started)

    @property
    def outcome(self) -> str:
        """Outcome of the run in one line."""
        return outcome(self.run, self.documents.push)[1]

    @property
    def tone(self) -> str:
        """Tone of the outcome: good, bad or neutral."""
        return outcome(self.run, self.documents.push)[0]


def collect_compared(chosen: Iterable[tuple[Store, Run]]) -> list[Compared]:
    """Collects the facts of up to `MOST_RUNS` runs, which may be of several pipelines."""
    return [_collected(letter, *it) for letter, it in zip(ascii_uppercase[:MOST_RUNS], chosen, strict=False)]


def _collected(letter: str, store: Store, run: Run) -> Compared:
    reader = DocumentReader(store, run)
    documents = reader.documents()
    values = _values(reader)
    examples = reader.artifact(("ExampleGen",), "examples", Examples)
    return Compared(
        letter=letter,
        pipeline=store.directory.name,
        run=run,
        executions=executions_of(store, run),
        documents=documents,
        titles=read_titles(examples, documents.statistics, documents.answers, display_column(run.settings)),
        values=values,
        recommendations=tuple(_recommendations(reader)),
        unread=tuple(reader.unread),
        report=store.report_file(run),
    )


def _values(reader: DocumentReader) -> pa.Table | None:
    evaluation = reader.artifact(("Evaluator",), "evaluation", Evaluation)
    if evaluation is None or not (file := evaluation.path / "per_query.parquet").is_file():
        return None
    try:
        return pq.ParquetFile(file).read()  # `read_table` would take directories such as a=b for columns
    except (OSError, pa.ArrowInvalid) as error:
        reader.unread.append(f"{file} cannot be read: {error}")
        return None


def _recommendations(reader: DocumentReader) -> Iterator[Path]:
    found = reader.artifact(("BulkInferrer",), "recommendations", Recommendations)
    if found is not None:
        yield from shards_of(found.path / "recommendations")
