"""Methods side by side on a data set: the printed rows, intervals, and what is new."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.datasets import DatasetName
from benchmarks.datasets.sources import SOURCES, Source
from benchmarks.harness.report import Record
from benchmarks.quality.runs import Method
from benchmarks.quality.tasks import Run
from models.ranking.metrics import paired_interval


class QualityRow(Record):
    """A method on a data set; metrics are those of the test at the cut-off, means over the seeds.

    Attributes:
        hit_rate: of data with one relevant candidate a query; the others have recall.
        hit_rate_std: standard deviation between the seeds, as are `recall_std` and `ndcg_std`.
        validation: the metric that methods are chosen by, on validation.
        to_strongest: 95 % interval of the difference to the strongest baseline.
        chance: recall of a random order.
        new_candidate: recall of candidates without a training event.
        new_query: recall of queries without a training event.
        new_candidate_auc: order of new candidates among themselves.
    """

    data: DatasetName
    method: str
    at: int
    seeds: int | None = None
    hit_rate: float | None = None
    hit_rate_std: float | None = None
    recall: float | None = None
    recall_std: float | None = None
    ndcg: float | None = None
    ndcg_std: float | None = None
    validation: float | None = None
    to_strongest: str | None = None
    chance: float | None = None
    new_candidate: float | None = None
    new_query: float | None = None
    new_candidate_auc: float | None = None
    fit_seconds: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class Cold:
    """How well what is new is retrieved, means over the seeds; absent where nothing is new.

    Attributes:
        candidate: recall of candidates without a training event.
        query: recall of queries without a training event.
        auc: order of new candidates among themselves.
    """

    candidate: float | None
    query: float | None
    auc: float | None


@dataclass(frozen=True)
class Comparison:
    """All methods on a data set."""

    name: DatasetName
    methods: Sequence[Method]

    @property
    def source(self) -> Source:
        """The data set."""
        return SOURCES[self.name]

    @property
    def is_cold(self) -> bool:
        """Whether the data set is about what is new."""
        return self.name.endswith("cold")

    @property
    def metrics(self) -> tuple[str, str]:
        """The metrics that are compared: with one relevant candidate a query hits, with several recall; and NDCG."""
        at = self.source.at
        return f"{'hit_rate' if at == 10 else 'recall'}@{at}", f"ndcg@{at}"

    @property
    def chance(self) -> float | None:
        """Recall of a random order, which every baseline knows."""
        return next((run.chance for method in self.methods for run in method.runs if run.chance is not None), None)

    def method(self, name: str) -> Method | None:
        """A method that was not skipped."""
        return next((method for method in self.methods if method.name == name and not method.is_skipped), None)

    def best(self, *, baseline: bool) -> Method | None:
        """The baseline, or the system, that is best on validation."""
        kind = [method for method in self.methods if method.is_baseline == baseline and not method.is_skipped]
        return max(kind, key=lambda method: method.validation(self.source.metric), default=None)

    def cold(self, method: Method) -> Cold:
        """How well a method retrieves what is new."""
        at = self.source.at
        aucs = [run.new_auc for run in method.runs if run.new_auc is not None]
        return Cold(_new(method.runs, "candidate", at), _new(method.runs, "query", at), _mean(aucs))

    def rows(self) -> Iterator[QualityRow]:
        """The printed rows."""
        for method in self.methods:
            if method.is_skipped:
                note = f"skipped: {method.runs[0].skipped}"
                yield QualityRow(data=self.name, method=method.name, at=self.source.at, note=note)
            else:
                yield self._row(method)

    def _row(self, method: Method) -> QualityRow:
        values: dict[str, float | None] = {}
        for metric in self.metrics:
            of_seeds, name = [run.test[metric] for run in method.runs], metric.partition("@")[0]
            values[name] = _mean(of_seeds)
            values[f"{name}_std"] = round(float(np.std(of_seeds, ddof=1)), 4) if len(of_seeds) > 1 else None
        if self.is_cold:
            cold = self.cold(method)
            values |= {"chance": self.chance, "new_candidate": cold.candidate, "new_query": cold.query}
            values |= {"new_candidate_auc": cold.auc}
        return QualityRow.model_validate(
            {
                "data": self.name,
                "method": method.name,
                "at": self.source.at,
                "seeds": len(method.runs),
                "validation": round(method.validation(self.source.metric), 4),
                "to_strongest": self._to_strongest(method),
                "fit_seconds": round(float(np.mean([run.fit for run in method.runs])), 1),
                "note": _choice(method.runs[0]),
                **values,
            }
        )

    def _to_strongest(self, method: Method) -> str | None:
        strongest = self.best(baseline=True)
        if strongest is None or method.is_baseline:
            return None
        metric = self.source.metric.partition("@")[0]
        difference = method.per_query[metric] - strongest.per_query[metric]
        low, high = paired_interval(difference[:, None], seed=1)[0]
        return f"{low:+.4f} … {high:+.4f} ({strongest.name})"


def _new(runs: Sequence[Run], side: str, at: int) -> float | None:
    slices = [run.slices.get(side, {}).get("new") for run in runs]
    return _mean([metrics[f"recall@{at}"] for metrics in slices if metrics is not None])


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _choice(run: Run) -> str | None:
    return ", ".join(f"{name} {value:g}" for name, value in run.choice.items()) if run.choice else None
