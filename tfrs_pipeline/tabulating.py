"""Makes tables of the documents of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataplane.artifacts.evaluation import Metrics as Measured
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.serving_model import IndexReport
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.verdict import columns
from pipeline.execution.records import Step
from serving.model.ask import Answer
from tfrs_pipeline.tables import Metrics, Table


def metrics_of(measured: Measured) -> Metrics:
    """Metrics of the model, with a table of all rankers: a row for each metric."""
    rankers = columns(measured)
    names = dict.fromkeys(name for values in rankers.values() for name in values)
    return Metrics(measured.test, Table.of([_metric(measured, rankers, name) for name in names]))


def _metric(measured: Measured, rankers: Mapping[str, Mapping[str, float]], name: str) -> dict[str, Any]:
    model, *others = rankers
    low, high = measured.intervals.test.get(name, (None, None))
    values = {model: rankers[model].get(name), "low": low, "high": high}
    return {"metric": name, **values, **{other: rankers[other].get(name) for other in others}}


def slices_of(measured: Measured) -> Table:
    """A row for each slice; `of` is what it divides, such as history_length or a feature."""
    slices = measured.slices
    tables = {
        "history_length": slices.history_length,
        "query": slices.query,
        "candidate": slices.candidate,
        **slices.features,
    }
    return Table.of(
        [{"of": of, "slice": name, **values} for of, table in tables.items() for name, values in table.items()]
    )


def curve_of(training: TrainingReport) -> Table:
    """A row for each validation: step, epoch, loss, seconds and metrics."""
    return Table.of(training.curve)


def statistics_of(report: StatisticsReport) -> Table:
    """A row for each column of each table of the data."""
    return Table.of([row for name in report.root for row in _columns(report, name)])


def _columns(report: StatisticsReport, name: str) -> Iterator[dict[str, Any]]:
    table = report.root[name]
    for column, found in table.columns.items():
        yield {
            "table": name,
            "column": column,
            "type": found.type,
            "rows": table.rows,
            "missing": found.missing,
            "distinct": found.distinct,
            "min": _float(found.min),
            "max": _float(found.max),
            "mean": found.mean,
            "std": found.std,
            "most_frequent": found.top_values[0].value if found.top_values else None,
        }


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def index_of(report: IndexReport) -> Table:
    """Recall against latency: a row for each number of leaves that was measured, one row for brute force."""
    if report.search == "brute_force":
        return Table.of([{"search": report.search, **report.recall, "latency_ms": report.latency_ms["scann"]}])
    chosen = report.settings.leaves_to_search if report.settings else None
    return Table.of(
        [
            {
                "leaves_to_search": point.leaves_to_search,
                "recall": point.recall,
                "latency_ms": point.latency_ms_batch_1,
                "chosen": point.leaves_to_search == chosen,
            }
            for point in report.tuning.curve
        ]
    )


def steps_of(steps: Sequence[Step]) -> Table:
    """A row for each step of a run."""
    return Table.of([{"step": step.node, "state": step.state, "seconds": step.seconds} for step in steps])


def answers_of(answers: Mapping[str, Answer], titles: Mapping[str, str], *, k: int) -> Table:
    """A row for each recommended candidate, best first, by query; without a query's id if there is but one unnamed."""
    rows = [
        {"query_id": query, "rank": rank, "candidate_id": name, "title": titles.get(name), "score": score}
        for query, answer in answers.items()
        for rank, (name, score) in enumerate(zip(answer.candidate_ids[:k], answer.scores, strict=False), start=1)
    ]
    left_out = {"query_id": list(answers) == [""], "title": not titles}
    return Table.of([{name: value for name, value in row.items() if not left_out.get(name)} for row in rows])
