"""Builds the view of the index: recall, latency, and checks in a fresh process."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from markupsafe import Markup

from dataplane.artifacts.serving_model import CurvePoint, IndexReport
from pipeline.reporting.charts.series import Point, Series, line_chart
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import metric, number, seconds, size


@dataclass(frozen=True)
class ModelRow:
    """Cost of a serving model."""

    name: str
    latency: str
    memory: str
    disk: str
    load: str


@dataclass(frozen=True)
class IndexView:
    """View of the index.

    Attributes:
        facts: properties of the index, by name.
        chart: recall against latency; empty for brute force.
        chart_title: caption of the chart.
        models: costs of the serving models.
        checks: number of passed answers, by check.
        failure: reason of a refusal; "" without one.
    """

    facts: dict[str, str]
    chart: Markup
    chart_title: str
    models: tuple[ModelRow, ...]
    checks: dict[str, str]
    failure: str


def build(facts: RunFacts) -> IndexView | None:
    """Builds the view; None without an index."""
    index, infra = facts.documents.index, facts.documents.infra
    if index is None:
        return None
    rows = [
        ModelRow(
            name=name,
            latency=f"{it.latency_ms:.2f} ms",
            memory=size(it.memory_bytes),
            disk=size(index.bytes.get(name, 0)),
            load=seconds(it.load_seconds),
        )
        for name, it in (infra.models if infra else {}).items()
    ]
    checks = {name.replace("_", " "): number(count) for name, count in infra.checks.items()} if infra else {}
    return IndexView(
        facts=dict(_facts(index)),
        chart=_chart(index),
        chart_title=f"recall@{index.target.k} against latency, with a ring around the chosen settings",
        models=tuple(rows),
        checks=checks,
        failure=infra.failure if infra else "",
    )


def _facts(index: IndexReport) -> Iterator[tuple[str, str]]:
    yield "search", "brute force: every candidate is compared" if index.search == "brute_force" else "ScaNN tree"
    yield "candidates", f"{number(index.candidates)} of {index.dimension} dimensions"
    yield from ((name, metric(value)) for name, value in index.recall.items())
    yield "asked for", f"recall@{index.target.k} of at least {number(index.target.recall)}"
    yield "one query", ", ".join(f"{name} {value:.2f} ms" for name, value in index.latency_ms.items())
    if index.known_queries is not None:
        yield "known by id", f"{index.known_queries.text} in each model"
    if index.settings is not None:
        settings = asdict(index.settings)
        yield "settings", ", ".join(f"{name} {number(value)}" for name, value in settings.items() if value is not None)
    yield "built in", seconds(index.build_seconds)


def _chart(index: IndexReport) -> Markup:
    curve = sorted(index.tuning.curve, key=lambda it: it.latency_ms_batch_1)
    if len(curve) < 2:
        return Markup()
    chosen = next((place for place, it in enumerate(curve) if _is_chosen(it, index)), None)
    points = [
        Point(
            it.latency_ms_batch_1,
            it.recall,
            f"{it.leaves_to_search} leaves searched: recall {metric(it.recall)}, {it.latency_ms_batch_1:.3f} ms alone, "
            f"{it.latency_ms_batch_64:.3f} ms for 64",
        )
        for it in curve
    ]
    label = f"Recall against latency for {len(curve)} numbers of leaves; the chosen one is marked"
    return line_chart([Series("index", points, chosen)], label=label, x="ms, one query", log_x=True)


def _is_chosen(point: CurvePoint, index: IndexReport) -> bool:
    return index.settings is not None and point.leaves_to_search == index.settings.leaves_to_search
