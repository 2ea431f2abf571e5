"""Renders the page that lists the runs of a pipeline, with their metrics by date."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten

from markupsafe import Markup

from pipeline.reporting.charts.series import COLOURS, Point, Series, line_chart
from pipeline.reporting.overview import Estimated, RunOverview
from pipeline.reporting.rendering import rendered
from pipeline.reporting.words import metric, moment, seconds

_RANKERS = ("two-tower", "popularity")
_AXIS = "start of the run, UTC"
_DAY = 24 * 60 * 60 * 1000
_LONGEST_REASON = 240
"""Characters of a reason; the report of the run has all of it."""


@dataclass(frozen=True)
class RunRow:
    """Row of a run.

    Attributes:
        id: id of the run.
        report: file name of the report; "" without a report.
        when: start of the run.
        took: duration of the run.
        tone: good, bad or neutral.
        outcome: outcome of the run.
        reason: first reason of a run that did not end well, shortened.
        name: name of the main metric.
        value: value of the main metric.
        interval: interval of the value; "" without one.
    """

    id: str
    report: str
    when: str
    took: str
    tone: str
    outcome: str
    reason: str
    name: str
    value: str
    interval: str


def render_runs(pipeline: str, found: Sequence[RunOverview], *, with_report: Collection[str], left_out: int = 0) -> str:
    """Renders the page as HTML that links the reports of the runs and loads no other file.

    Args:
        pipeline: name of the pipeline.
        found: the runs, oldest first.
        with_report: ids of the runs that have a report.
        left_out: number of older runs that are not in `found`.
    """
    return rendered(
        "runs.html",
        pipeline=pipeline,
        rows=[_row(it, with_report) for it in reversed(found)],
        charts=dict(_charts(found)),
        legend=tuple(zip(_RANKERS, COLOURS, strict=False)),
        tone=found[-1].tone if found else "neutral",
        lead=list(_lead(found)),
        left_out=left_out,
    )


def _lead(found: Sequence[RunOverview]) -> Iterator[str]:
    """How the newest run ended, and the newest published version."""
    if found:
        yield f"Newest run, {moment(found[-1].run.started)}: {found[-1].outcome}."
    published = _newest_published(found)
    if published is None:
        yield "No run on this page published a version."
        return
    value = next((f": {it.name} {metric(it.value)}{_interval(it)}" for it in published.metrics), "")
    yield f"Newest published version: {published.version}, run of {moment(published.run.started)}{value}."


def _newest_published(found: Sequence[RunOverview]) -> RunOverview | None:
    return next((it for it in reversed(found) if it.version is not None), None)


def _row(found: RunOverview, with_report: Collection[str]) -> RunRow:
    run = found.run
    main = found.metrics[0] if found.metrics else None
    return RunRow(
        id=run.id,
        report=f"{run.id}.html" if run.id in with_report else "",
        when=moment(run.started),
        took=_took(found),
        tone=found.tone,
        outcome=found.outcome,
        reason=shorten(found.reason, _LONGEST_REASON, placeholder=" …"),
        name=main.name if main else "",
        value=metric(main.value) if main else "",
        interval=_interval(main).strip() if main else "",
    )


def _interval(estimated: Estimated) -> str:
    """The interval in brackets, after a space; "" without one."""
    bounds = estimated.bounds
    return f" ({metric(bounds[0])} … {metric(bounds[1])})" if bounds else ""


def _took(found: RunOverview) -> str:
    took = found.run.seconds
    return "" if took is None else seconds(max(took, 0.0))


def _charts(found: Sequence[RunOverview]) -> Iterator[tuple[str, Markup]]:
    """Each metric by date, of the model and of popularity."""
    newest = _newest_published(found)
    for name in dict.fromkeys(it.name for overview in found for it in overview.metrics):
        measured = [(run, it) for run in found for it in run.metrics if it.name == name and run.run.started]
        ours = [_point(run, "two-tower", it, it.value) for run, it in measured]
        popular = [_point(run, "popularity", it, it.popularity) for run, it in measured if it.popularity is not None]
        chosen = next((place for place, (run, _) in enumerate(measured) if run is newest), None)
        series = [Series("two-tower", ours, chosen), Series("popularity", popular)]
        label = f"{name} by date. " + "; ".join(point.tip for line in series for point in line.points[-3:])
        yield name, line_chart(series, label=label, x=_AXIS, time_format=_time_format(found))


def _point(found: RunOverview, ranker: str, estimated: Estimated, value: float) -> Point:
    interval = _interval(estimated) if ranker == "two-tower" else ""
    told = f"{ranker}, {moment(found.run.started)}: {metric(value)}{interval}"
    return Point(_milliseconds(found.run.started), value, f"{told}, {found.outcome}")


def _time_format(found: Sequence[RunOverview]) -> str:
    """Times of one day or two, days, or months of more than a year."""
    moments = [_milliseconds(it.run.started) for it in found if it.run.started]
    days = (max(moments) - min(moments)) / _DAY if moments else 0.0
    return "%H:%M" if days < 2 else "%-d %b" if days < 366 else "%b %Y"


def _milliseconds(moment_text: str) -> float:
    return datetime.fromisoformat(moment_text).timestamp() * 1000
