"""Sums up the runs of a pipeline: the metric, the verdict and the version of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dataplane.artifacts.evaluation import Skipped
from pipeline.execution.metadata import Run, Store
from pipeline.reporting.facts import main_metric
from pipeline.reporting.outcome import outcome, reasons
from pipeline.reporting.reading import DocumentReader


@dataclass(frozen=True)
class Estimated:
    """A metric of a run.

    Attributes:
        name: name of the metric, such as `ndcg@10`.
        value: value of the model.
        bounds: interval of the value; None without one.
        popularity: value of the popularity baseline; None without one.
    """

    name: str
    value: float
    bounds: tuple[float, float] | None
    popularity: float | None


@dataclass(frozen=True)
class RunOverview:
    """The results of a run in short.

    Attributes:
        run: record of the run.
        tone: good, bad or neutral.
        outcome: outcome of the run in one line.
        reason: first reason of a run that did not end well; "" otherwise.
        metrics: the main metric first, then further metrics at the same cut-off; empty if nothing was measured.
        blessed: whether every gate was passed; None if the run had no verdict.
        version: published version that the run ended with; None if it published nothing.
    """

    run: Run
    tone: str
    outcome: str
    reason: str
    metrics: tuple[Estimated, ...]
    blessed: bool | None
    version: int | None

    @property
    def verdict(self) -> str:
        """The verdict in words; "" without one."""
        return {True: "blessed", False: "not blessed", None: ""}[self.blessed]


_FURTHER = ("recall", "ndcg", "coverage")


def overviews(store: Store, runs: Sequence[Run]) -> Iterator[RunOverview]:
    """Sums up each run; unreadable documents count as missing."""
    for run in runs:
        reader = DocumentReader(store, run)
        push, verdict = reader.push(), reader.verdict()
        tone, told = outcome(run, push)
        yield RunOverview(
            run=run,
            tone=tone,
            outcome=told,
            reason="" if run.state == "done" else next(iter(reasons(run, verdict)), ""),
            metrics=tuple(_estimated(reader)),
            blessed=verdict.blessed if verdict else None,
            version=push.version if push and run.state == "done" else None,
        )


def _estimated(reader: DocumentReader) -> Iterator[Estimated]:
    metrics = reader.metrics()
    if metrics is None:
        return
    main = main_metric(metrics, reader.verdict(), None)
    popularity = metrics.baselines.get("popularity")
    at = main.partition("@")[2]
    for name in dict.fromkeys((main, *(f"{kind}@{at}" for kind in _FURTHER))):
        if name in metrics.test:
            popular = None if popularity is None or isinstance(popularity, Skipped) else popularity.get(name)
            yield Estimated(name, metrics.test[name], metrics.intervals.test.get(name), popular)
