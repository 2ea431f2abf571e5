"""Reads the documents of a run."""

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
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.model_data import INDEXERS
from pipeline.execution.published import REFRESHED, TRAINED
from pipeline.reporting.facts import Documents

DocumentT = TypeVar("DocumentT", bound=Document | Rooted)


def executions_of(store: Store, run: Run) -> dict[str, Execution]:
    """Finished execution of each step of a run, by node."""
    found = {step.node: store.execution(step.node, step.execution) for step in run.steps if step.execution}
    return {node: execution for node, execution in found.items() if execution is not None}


class DocumentReader:
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
        anomalies = self.read(AnomalyList, ("ExampleValidator",), "anomalies", Anomalies)
        return Documents(
            rows=self.read(IngestSummary, ("ExampleGen",), "examples", Examples),
            statistics=self.statistics(),
            anomalies=anomalies.root if anomalies else (),
            training=self.read(TrainingReport, ("Trainer",), "model", Model),
            final_training=self.read(TrainingReport, ("FinalTrainer",), "model", Model),
            metrics=self.metrics(),
            answers=self.read(Answers, ("Evaluator",), "evaluation", Evaluation),
            verdict=self.verdict(),
            index=self.read(IndexReport, INDEXERS, "serving_model", ServingModel),
            infra=self.read(InfraVerdict, ("RefreshInfraValidator", "InfraValidator"), "infra_blessing", InfraBlessing),
            push=self.push(),
            catalogue=self.read(CatalogueChanges, ("CatalogueGen",), "catalogue", Catalogue),
        )

    def statistics(self) -> StatisticsReport | None:
        """Reads the statistics of the tables."""
        return self.read(StatisticsReport, ("StatisticsGen",), "statistics", Statistics)

    def metrics(self) -> Metrics | None:
        """Reads the metrics of the model and its baselines."""
        return self.read(Metrics, ("Evaluator",), "evaluation", Evaluation)

    def verdict(self) -> Verdict | None:
        """Reads whether the model may be published."""
        return self.read(Verdict, ("Evaluator",), "blessing", Blessing)

    def push(self) -> Push | None:
        """Reads what was published."""
        return self.read(Push, (REFRESHED, TRAINED), "pushed_model", PushedModel)

    def artifact(self, nodes: tuple[str, ...], output: str, kind: type[Artifact]) -> Artifact | None:
        """Artifact of the first of `nodes` that is a step of the run; None if the artifact is missing."""
        node = next((it for it in nodes if it in self._made), None)
        if node is None:
            return None
        artifact = kind(self._store.execution_directory(node, self._made[node]) / output)
        return artifact if artifact.path.is_dir() else None

    def read(
        self, kind: type[DocumentT], nodes: tuple[str, ...], output: str, artifact: type[Artifact]
    ) -> DocumentT | None:
        """Reads a document of the first of `nodes` that is a step of the run; None if missing or unreadable."""
        found = self.artifact(nodes, output, artifact)
        if found is None or not (found.path / kind.FILE).exists():
            return None
        try:
            return read_model(found.path / kind.FILE, kind, form=kind.FORMAT)
        except UnreadableDocumentError as error:
            self.unread.append(str(error))
            return None
