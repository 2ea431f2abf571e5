"""Collects the facts of a run from its record and artifacts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from dataplane.artifacts import (
    Anomalies,
    Artifact,
    Blessing,
    Catalogue,
    Evaluation,
    Examples,
    InfraBlessing,
    Model,
    PushedModel,
    ServingModel,
    Statistics,
)
from dataplane.artifacts.anomalies import AnomalyList
from dataplane.artifacts.answers import Answers
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.document import Document, Rooted, read_model
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.examples import IngestSummary
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.serving_model import IndexReport
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.errors import UnreadableDocumentError
from pipeline.config.settings import display_column
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.published import REFRESHED, TRAINED, pushers
from pipeline.reporting.facts import Documents, EarlierRun, RunFacts
from pipeline.reporting.titles import read_titles

DocumentT = TypeVar("DocumentT", bound=Document | Rooted)


def collect(store: Store, run: Run) -> RunFacts:
    """Collects the facts of a run; missing and unreadable documents are left out.

    Args:
        store: the pipeline's records.
        run: the run.
    """
    reader, runs = _Reader(store, run), store.runs()
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


def executions_of(store: Store, run: Run) -> dict[str, Execution]:
    """Finished execution of each step of a run, by node."""
    found = {step.node: store.execution(step.node, step.execution) for step in run.steps if step.execution}
    return {node: execution for node, execution in found.items() if execution is not None}


class _Reader:
    """Reads the documents of a run, including those of a refused or failed step.

    Attributes:
        unread: messages about unreadable documents.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._made = {step.node: step.execution for step in run.steps if step.execution}
        self.unread: list[str] = []

    def documents(self) -> Documents:
        """Reads all documents."""
        anomalies = self._read(AnomalyList, ("ExampleValidator",), "anomalies", Anomalies)
        indexers = ("RefreshScannIndexer", "ScannIndexer")
        return Documents(
            rows=self._read(IngestSummary, ("ExampleGen",), "examples", Examples),
            statistics=self.statistics(),
            anomalies=anomalies.root if anomalies else (),
            training=self._read(TrainingReport, ("Trainer",), "model", Model),
            final_training=self._read(TrainingReport, ("FinalTrainer",), "model", Model),
            metrics=self._read(Metrics, ("Evaluator",), "evaluation", Evaluation),
            answers=self._read(Answers, ("Evaluator",), "evaluation", Evaluation),
            verdict=self._read(Verdict, ("Evaluator",), "blessing", Blessing),
            index=self._read(IndexReport, indexers, "serving_model", ServingModel),
            infra=self._read(
                InfraVerdict, ("RefreshInfraValidator", "InfraValidator"), "infra_blessing", InfraBlessing
            ),
            push=self._read(Push, (REFRESHED, TRAINED), "pushed_model", PushedModel),
            catalogue=self._read(CatalogueChanges, ("CatalogueGen",), "catalogue", Catalogue),
        )

    def statistics(self) -> StatisticsReport | None:
        """Reads the statistics of the tables."""
        return self._read(StatisticsReport, ("StatisticsGen",), "statistics", Statistics)

    def artifact(self, nodes: tuple[str, ...], output: str, kind: type[Artifact]) -> Artifact | None:
        """Artifact of the first of `nodes` that is a step of the run; None if the artifact is missing."""
        node = next((it for it in nodes if it in self._made), None)
        if node is None:
            return None
        artifact = kind(self._store.execution_directory(node, self._made[node]) / output)
        return artifact if artifact.path.is_dir() else None

    def _read(
        self, kind: type[DocumentT], nodes: tuple[str, ...], output: str, artifact: type[Artifact]
    ) -> DocumentT | None:
        found = self.artifact(nodes, output, artifact)
        if found is None or not (found.path / kind.FILE).exists():
            return None
        try:
            return read_model(found.path / kind.FILE, kind, form=kind.FORMAT)
        except UnreadableDocumentError as error:
            self.unread.append(str(error))
            return None


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
    return EarlierRun(run, executions_of(store, run), _Reader(store, run).documents())


def _other_data(store: Store, run: Run, runs: Sequence[Run], own: StatisticsReport | None) -> EarlierRun | None:
    """Newest earlier run with different statistics."""
    told = {_statistics_of(run), ""}
    for earlier in reversed([it for it in runs if it.id < run.id]):
        if (execution := _statistics_of(earlier)) in told:
            continue
        told.add(execution)
        statistics = _Reader(store, earlier).statistics()
        if statistics is not None and statistics != own:
            return EarlierRun(earlier, {}, Documents(statistics=statistics))
    return None


def _statistics_of(run: Run) -> str:
    return next((step.execution for step in run.steps if step.node == "StatisticsGen"), "")
