"""What a report tells of a run, as its record and its artifacts have it."""

from collections.abc import Mapping
from dataclasses import dataclass

from dataplane.artifacts.anomalies import Anomaly
from dataplane.artifacts.answers import Answers
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.examples import IngestSummary
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.serving_model import IndexReport
from dataplane.artifacts.statistics import StatisticsReport
from pipeline.execution.records import Execution, Run
from pipeline.reporting.titles import Titles


@dataclass(frozen=True)
class Documents:
    """The JSON documents of a run's artifacts; None where the run did not get there, or has no such step."""

    rows: IngestSummary | None = None
    statistics: StatisticsReport | None = None
    anomalies: tuple[Anomaly, ...] = ()
    training: TrainingReport | None = None
    final_training: TrainingReport | None = None
    metrics: Metrics | None = None
    answers: Answers | None = None
    verdict: Verdict | None = None
    index: IndexReport | None = None
    infra: InfraVerdict | None = None
    push: Push | None = None
    catalogue: CatalogueChanges | None = None


@dataclass(frozen=True)
class EarlierRun:
    """An earlier run that this one is compared with.

    Attributes:
        run: its record.
        executions: what stood for each step.
        documents: its documents.
        version: the version that it published; None if it published none, or that does not matter.
    """

    run: Run
    executions: Mapping[str, Execution]
    documents: Documents
    version: int | None = None


@dataclass(frozen=True)
class RunFacts:
    """Everything that a report is made of.

    Attributes:
        pipeline: name of the pipeline.
        run: the record.
        executions: the finished execution that stands for each step, in the order of the steps.
        documents: what the steps wrote.
        titles: titles and categories of the candidates that the report names.
        served: the run that published the version that was served before; None if there is none, or it is not known.
        other_data: the newest earlier run with other statistics.
        unread: documents that are there and cannot be read, each with the reason.
    """

    pipeline: str
    run: Run
    executions: Mapping[str, Execution]
    documents: Documents
    titles: Titles
    served: EarlierRun | None = None
    other_data: EarlierRun | None = None
    unread: tuple[str, ...] = ()

    @property
    def main_metric(self) -> str:
        """The metric that the model is judged by: of its first gate, else what chose the weights; "" without any."""
        metrics, verdict, training = self.documents.metrics, self.documents.verdict, self.documents.training
        wanted = [check.metric for check in verdict.checks] if verdict else []
        wanted += [training.metric] if training else []
        known = metrics.test if metrics else {}
        return next((name for name in (*wanted, "ndcg@10", *known) if name in known), "")
