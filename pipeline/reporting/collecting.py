"""Collects the facts of a run from its record and artifacts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dataplane.artifacts import Examples, PushedModel
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.errors import UnreadableDocumentError
from pipeline.config.settings import display_column
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.published import pushers
from pipeline.reporting.facts import Documents, EarlierRun, RunFacts
from pipeline.reporting.reading import DocumentReader, executions_of
from pipeline.reporting.titles import read_titles


def collect(store: Store, run: Run) -> RunFacts:
    """Collects the facts of a run; missing and unreadable documents are left out.

    Args:
        store: the pipeline's records.
        run: the run.
    """
    reader, runs = DocumentReader(store, run), store.runs()
    documents = reader.documents()
    examples = reader.artifact(("ExampleGen",), "examples", Examples)
    return RunFacts(
        pipeline=store.directory.name,
        run=run,
        executions=executions_of(store, run),
        documents=documents,
        titles=read_titles(examples, documents.statistics, documents.answers, display_column(run.settings)),
        served=_served(store, run, runs, documents),
        other_data=_other_data(store, run, runs, documents.statistics),
        unread=tuple(reader.unread),
    )


def _served(store: Store, run: Run, runs: Sequence[Run], documents: Documents) -> EarlierRun | None:
    """Run that published the version in service before this run."""
    compared = documents.verdict.served.version if documents.verdict else None
    by_id = {it.id: it for it in runs}
    for execution in _pushes_before(store, run):
        push = _push(store, execution)
        if push is None or not push.new or compared not in (None, push.version):
            continue
        publisher = by_id.get(execution.run)
        return None if publisher is None else replace(_earlier(store, publisher), version=push.version)
    return None


def _pushes_before(store: Store, run: Run) -> Iterator[Execution]:
    """Executions of publishing nodes in earlier runs, newest first."""
    return (execution for execution in reversed(pushers(store)) if execution.run < run.id)


def _push(store: Store, execution: Execution) -> Push | None:
    try:
        return Push.read(PushedModel(store.output(execution, "pushed_model")))
    except UnreadableDocumentError:
        return None


def _earlier(store: Store, run: Run) -> EarlierRun:
    return EarlierRun(run, executions_of(store, run), DocumentReader(store, run).documents())


def _other_data(store: Store, run: Run, runs: Sequence[Run], own: StatisticsReport | None) -> EarlierRun | None:
    """Newest earlier run with different statistics."""
    told = {_statistics_of(run), ""}
    for earlier in reversed([it for it in runs if it.id < run.id]):
        if (execution := _statistics_of(earlier)) in told:
            continue
        told.add(execution)
        statistics = DocumentReader(store, earlier).statistics()
        if statistics is not None and statistics != own:
            return EarlierRun(earlier, {}, Documents(statistics=statistics))
    return None


def _statistics_of(run: Run) -> str:
    return next((step.execution for step in run.steps if step.node == "StatisticsGen"), "")
