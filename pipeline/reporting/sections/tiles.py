"""Chooses the most important numbers of a run."""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.evaluation import Metrics, ServedMetrics, Skipped
from dataplane.artifacts.serving_model import IndexReport
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import metric, number, signed


@dataclass(frozen=True)
class Tile:
    """A number with a name and a note."""

    name: str
    value: str
    note: str


def tiles(facts: RunFacts) -> Iterator[Tile]:
    """Yields the numbers that the run has."""
    documents = facts.documents
    if documents.metrics is not None:
        yield from _measured(documents.metrics, facts.main_metric)
    if documents.index is not None:
        yield from _index(documents.index)
    if documents.catalogue is not None:
        yield _catalogue(documents.catalogue)


def _measured(metrics: Metrics, name: str) -> Iterator[Tile]:
    bounds = metrics.intervals.test.get(name)
    note = f"{metrics.intervals.level:.0%} interval {metric(bounds[0])} … {metric(bounds[1])}" if bounds else ""
    yield Tile(name, metric(metrics.test[name]), note)
    popular, served = metrics.baselines.get("popularity"), metrics.published
    if popular is not None and not isinstance(popular, Skipped) and popular.get(name):
        times = metrics.test[name] / popular[name]
        yield Tile("against popularity", f"× {times:.2f}", f"{metric(popular[name])} by the most popular")
    if isinstance(served, ServedMetrics) and name in served.test:
        bounds = served.intervals.get(name)
        note = f"{signed(bounds[0])} … {signed(bounds[1])}" if bounds else ""
        yield Tile(f"against version {served.version}", signed(served.model[name] - served.test[name]), note)
    catalogue = metrics.protocol.catalogue.candidates
    yield Tile("test queries", number(metrics.protocol.test.queries), f"{number(catalogue)} candidates ranked")


def _index(index: IndexReport) -> Iterator[Tile]:
    how = f"{index.search.replace('_', ' ')}, {number(index.latency_ms.get('scann'))} ms a query"
    for name, recall in list(index.recall.items())[:1]:
        yield Tile(f"index {name}", metric(recall), how)


def _catalogue(changes: CatalogueChanges) -> Tile:
    return Tile("catalogue", number(changes.candidates), f"{number(changes.added)} new, {number(changes.removed)} gone")
