"""The facts that a report is made of."""

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
    """JSON documents of the artifacts of a run; None if the step did not execute."""

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
    """An earlier run, for comparison.

    Attributes:
        run: record of the run.
        executions: finished executions, by node.
        documents: documents of the artifacts.
        version: version that the run published; None for a run that is not compared as the served one.
    """

    run: Run
    executions: Mapping[str, Execution]
    documents: Documents
    version: int | None = None


@dataclass(frozen=True)
class RunFacts:
    """The facts about a run.

    Attributes:
        pipeline: name of the pipeline.
        run: record of the run.
        executions: finished executions by node, in the order of the steps.
        documents: documents of the artifacts.
        titles: titles and categories of the candidates in the report.
        served: run that published the version in service before this run; None if unknown.
        other_data: newest earlier run with different statistics; None without one.
        unread: messages about unreadable documents.
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
        """See `main_metric`."""
        return main_metric(self.documents.metrics, self.documents.verdict, self.documents.training)


def main_metric(metrics: Metrics | None, verdict: Verdict | None, training: TrainingReport | None) -> str:
    """Metric of the first gate, otherwise the metric that chose the weights; "" without metrics."""
    wanted = [check.metric for check in verdict.checks] if verdict else []
    wanted += [training.metric] if training else []
    known = metrics.test if metrics else {}
    return next((name for name in (*wanted, "ndcg@10", *known) if name in known), "")
