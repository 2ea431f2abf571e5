"""The figures of a pipeline's newest run in Prometheus' text format."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.execution.metadata import Run, Store
from pipeline.execution.published import newest_version
from pipeline.reporting.reading import DocumentReader, executions_of

PREFIX = "tfrs_pipeline_"
STATES = ("done", "failed", "refused", "interrupted")
HELP: Mapping[str, str] = {
    "last_run_timestamp_seconds": "When the newest run with this state ended",
    "run_state": "1 for the state in which the newest run ended, 0 for the others",
    "run_seconds": "Duration of the newest run",
    "step_executed": "1 if the newest run executed the step, 0 if it was in the cache",
    "step_seconds": "Duration of the execution that stands for the step",
    "step_cpu_seconds": "Processor time of this execution",
    "step_peak_memory_bytes": "Largest resident memory of this execution, with its child processes",
    "step_output_bytes": "Bytes that this execution wrote",
    "table_rows": "Rows of the table in the newest run",
    "anomalies": "Anomalies in the data of the newest run",
    "test_metric": "Metric of the newest run's model on the test events",
    "published_version": "Newest published version",
}
"""What each metric says, by its name after the prefix. All are gauges."""


@dataclass(frozen=True)
class Sample:
    """A figure.

    Attributes:
        name: of the metric, without the prefix.
        value: the figure.
        labels: besides the pipeline.
    """

    name: str
    value: float
    labels: Mapping[str, str]


def exposition(store: Store, run: Run) -> str:
    """The text for a run that has ended.

    Args:
        store: the pipeline's records.
        run: its newest run.
    """
    samples = [*_of_runs(store.runs()), *_of_run(run), *_of_steps(store, run), *_of_documents(store, run)]
    if (version := newest_version(store)) is not None:
        samples.append(Sample("published_version", version, {}))
    return "".join(_lines(store.directory.name, samples))


def _of_runs(runs: Sequence[Run]) -> Iterator[Sample]:
    for state in STATES:
        ended = [run.finished for run in runs if run.state == state and run.finished]
        if ended:
            moment = datetime.fromisoformat(ended[-1]).timestamp()
            yield Sample("last_run_timestamp_seconds", moment, {"state": state})


def _of_run(run: Run) -> Iterator[Sample]:
    for state in STATES:
        yield Sample("run_state", float(run.state == state), {"state": state})
    if run.seconds is not None:
        yield Sample("run_seconds", run.seconds, {})


def _of_steps(store: Store, run: Run) -> Iterator[Sample]:
    executions = executions_of(store, run)
    for step in run.steps:
        execution = executions.get(step.node)
        if execution is None:
            continue
        labels = {"step": step.node}
        yield Sample("step_executed", float(step.state == "run"), labels)
        yield Sample("step_seconds", execution.seconds, labels)
        yield Sample("step_output_bytes", sum(execution.files.values()), labels)
        for name in ("cpu_seconds", "peak_memory_bytes"):
            if name in execution.resources:  # not in records of older releases
                yield Sample(f"step_{name}", execution.resources[name], labels)


def _of_documents(store: Store, run: Run) -> Iterator[Sample]:
    documents = DocumentReader(store, run).documents()
    for table, report in documents.statistics.root.items() if documents.statistics else ():
        yield Sample("table_rows", report.rows, {"table": table})
    if any(step.node == "ExampleValidator" and step.state != "waiting" for step in run.steps):
        for severity in ("error", "warning"):
            count = sum(it.severity == severity for it in documents.anomalies)
            yield Sample("anomalies", count, {"severity": severity})
    for name, value in documents.metrics.test.items() if documents.metrics else ():
        yield Sample("test_metric", value, {"metric": name})


def _lines(pipeline: str, samples: Sequence[Sample]) -> Iterator[str]:
    for name, meaning in HELP.items():
        of_name = [sample for sample in samples if sample.name == name]
        if of_name:
            yield f"# HELP {PREFIX}{name} {meaning}.\n# TYPE {PREFIX}{name} gauge\n"
        for sample in of_name:
            labels = ",".join(f'{key}="{_escaped(it)}"' for key, it in {"pipeline": pipeline, **sample.labels}.items())
            yield f"{PREFIX}{name}{{{labels}}} {sample.value!r}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
