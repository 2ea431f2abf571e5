"""Compares the metrics of runs, query by query."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.ranking.metrics import paired_interval
from pipeline.reporting.comparison.facts import Compared
from pipeline.reporting.facts import main_metric
from pipeline.reporting.words import judged, metric, number, signed

LEVEL = 0.95
_SEED = 0
_SHOWN = ("recall", "hit_rate", "ndcg", "mrr", "map", "coverage", "popularity_bias")
_ID = "query_id"


@dataclass(frozen=True)
class Difference:
    """Difference of a metric, a run minus run A.

    Attributes:
        value: mean over the shared queries if the metric has values per query, otherwise the difference of the means.
        bounds: paired bootstrap interval of `value`; None without values per query.
    """

    value: float
    bounds: tuple[float, float] | None

    @property
    def told(self) -> str:
        """Value, interval and judgement in words."""
        if self.bounds is None:
            return signed(self.value)
        low, high = self.bounds
        return f"{signed(self.value)} ({signed(low)} … {signed(high)}), {judged(self.bounds)}"


@dataclass(frozen=True)
class MetricRow:
    """Row of a metric.

    Attributes:
        name: name of the metric.
        values: value of each run; None if the run did not measure it.
        differences: difference of each run after the first; None if either run did not measure it.
    """

    name: str
    values: tuple[float | None, ...]
    differences: tuple[Difference | None, ...]

    @property
    def cells(self) -> list[str]:
        """The values, then the differences, as texts."""
        return [*map(metric, self.values), *("–" if it is None else it.told for it in self.differences)]


@dataclass(frozen=True)
class MetricsComparison:
    """Comparison of the metrics.

    Attributes:
        main: name of the main metric of run A; "" if no run has metrics.
        rows: the metrics, the main metric first.
        notes: what limits the comparison.
    """

    main: str
    rows: tuple[MetricRow, ...]
    notes: tuple[str, ...]


def compare_metrics(runs: Sequence[Compared]) -> MetricsComparison:
    """Compares the metrics of the first run with those of every other run."""
    main = next(filter(None, map(_main, runs)), "")
    at = main.partition("@")[2]
    means = [it.documents.metrics.test if it.documents.metrics else {} for it in runs]
    wanted = dict.fromkeys((main, *(f"{kind}@{at}" for kind in _SHOWN)))
    names = [name for name in wanted if any(name in values for values in means)]
    differences = [_differences(runs[0], other, names) for other in runs[1:]]
    rows = [
        MetricRow(name, tuple(it.get(name) for it in means), tuple(it.get(name) for it in differences))
        for name in names
    ]
    return MetricsComparison(main, tuple(rows), tuple(_notes(runs)) if names else ())


def _main(run: Compared) -> str:
    documents = run.documents
    return main_metric(documents.metrics, documents.verdict, documents.training)


def _differences(first: Compared, other: Compared, names: Sequence[str]) -> dict[str, Difference]:
    if first.documents.metrics is None or other.documents.metrics is None:
        return {}
    ours, theirs = first.documents.metrics.test, other.documents.metrics.test
    found = {name: Difference(theirs[name] - ours[name], None) for name in names if name in ours and name in theirs}
    return found | _paired(first, other, list(found))


def _paired(first: Compared, other: Compared, names: Sequence[str]) -> dict[str, Difference]:
    """Differences over the shared queries, with intervals from the same resamples."""
    ours, theirs = _shared(first, other)
    named = [name for name in names if name in ours.column_names and name in theirs.column_names]
    if not len(ours) or not named:
        return {}
    differences = np.stack([_column(theirs, name) - _column(ours, name) for name in named], axis=1)
    bounds = paired_interval(differences, seed=_SEED, level=LEVEL)
    means = differences.mean(axis=0)
    return {name: Difference(float(mean), of) for name, mean, of in zip(named, means, bounds, strict=True)}


def _shared(first: Compared, other: Compared) -> tuple[pa.Table, pa.Table]:
    """Values of the queries that both runs measured, in the same order."""
    if first.values is None or other.values is None:
        return pa.table({}), pa.table({})
    ours = first.values.filter(pc.is_in(first.values[_ID], other.values[_ID].combine_chunks()))
    places = pc.index_in(ours[_ID], other.values[_ID].combine_chunks())
    return ours, other.values.take(places)


def _column(values: pa.Table, name: str) -> np.ndarray:
    return np.asarray(values[name], np.float64)


def _notes(runs: Sequence[Compared]) -> Iterator[str]:
    for run in runs:
        if run.documents.metrics is None:
            yield f"{run.letter} was not evaluated."
        elif run.values is None:
            yield f"{run.letter} has no values per query, so its differences have no interval."
    for other in runs[1:]:
        yield from _different_tests(runs[0], other)


def _different_tests(first: Compared, other: Compared) -> Iterator[str]:
    """Tells how the test data of two runs differ."""
    if first.documents.metrics is None or other.documents.metrics is None:
        return
    ours, theirs = first.documents.metrics.protocol, other.documents.metrics.protocol
    told = []
    if first.values is not None and other.values is not None:
        shared = _shared(first, other)
        counts = (len(first.values), len(other.values))
        if counts != (len(shared[0]), len(shared[0])):
            had = f"{first.letter} had {number(counts[0])}, {other.letter} {number(counts[1])}"
            told.append(f"only {number(len(shared[0]))} test queries are shared, {had}")
        elif ours.test == theirs.test and _popular_differently(*shared):
            told.append("popularity ranks the same test queries differently")
    if ours.test != theirs.test:
        told.append("the test events differ")
    if ours.catalogue.candidates != theirs.catalogue.candidates:
        counts = (ours.catalogue.candidates, theirs.catalogue.candidates)
        told.append(f"{first.letter} ranked {number(counts[0])} candidates, {other.letter} {number(counts[1])}")
    if ours.remove_seen != theirs.remove_seen:
        told.append("only one of them removes seen candidates")
    if told:
        yield (
            f"{first.letter} and {other.letter} were not measured alike: {'; '.join(told)}. "
            "A difference may come from the data."
        )


def _popular_differently(ours: pa.Table, theirs: pa.Table) -> bool:
    """Whether popularity, which no setting of the model changes, has other values on the same queries."""
    names = [name for name in ours.column_names if name.startswith("popularity.") and name in theirs.column_names]
    return any(not np.array_equal(_column(ours, name), _column(theirs, name)) for name in names)
