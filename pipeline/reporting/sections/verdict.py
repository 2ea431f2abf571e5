"""Builds the verdict on a run: headline, reasons, checks, and main numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.artifacts.blessing import Check
from dataplane.artifacts.evaluation import Metrics, ServedMetrics, Skipped
from dataplane.verdict import check_text
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.outcome import outcome, reasons
from pipeline.reporting.sections.tiles import Tile, tiles
from pipeline.reporting.words import judged, metric, moment, number, seconds, signed


@dataclass(frozen=True)
class Gate:
    """The outcome of one check: `state` is passed, failed or skipped."""

    state: str
    text: str


@dataclass(frozen=True)
class VerdictView:
    """View of the verdict.

    Attributes:
        tone: good, bad or neutral.
        headline: outcome of the run.
        reason: reasons of the outcome, the most important first.
        final_fit: note that the published model is not the measured one; "" if it is.
        gates: outcomes of the checks that are not a reason.
        tiles: most important numbers.
        when: start, duration and span of the run.
    """

    tone: str
    headline: str
    reason: tuple[str, ...]
    final_fit: str
    gates: tuple[Gate, ...]
    tiles: tuple[Tile, ...]
    when: str


def build(facts: RunFacts) -> VerdictView:
    """Builds the view."""
    tone, headline = outcome(facts.run, facts.documents.push)
    verdict = facts.documents.verdict
    checks, reason = verdict.checks if verdict else (), _reason(facts)
    return VerdictView(
        tone=tone,
        headline=headline,
        reason=reason,
        final_fit=_final_fit(facts),
        gates=tuple(Gate(_state(check), check_text(check)) for check in checks if check_text(check) not in reason),
        tiles=tuple(tiles(facts)),
        when=_when(facts),
    )


def _reason(facts: RunFacts) -> tuple[str, ...]:
    """Failed checks, otherwise the message of the run; for a finished run the lead of the model."""
    if facts.run.state == "done":
        return _lead(facts)
    return reasons(facts.run, facts.documents.verdict)


def _lead(facts: RunFacts) -> tuple[str, ...]:
    """Lead of the model over the served model and the baselines."""
    metrics, name = facts.documents.metrics, facts.main_metric
    if metrics is None:
        return ()
    times = [
        f"{metrics.test[name] / values[name]:.2g} times {baseline}'s {metric(values[name])}"
        for baseline, values in metrics.baselines.items()
        if not isinstance(values, Skipped) and values.get(name)
    ]
    told = f"{name} is {metric(metrics.test[name])}" + (f": {', '.join(times)}." if times else ".")
    return (*_against_served(metrics, name), told)


def _against_served(metrics: Metrics, name: str) -> Iterator[str]:
    served = metrics.published
    if isinstance(served, ServedMetrics) and name in served.test:
        lead = served.model[name] - served.test[name]
        bounds = served.intervals.get(name)
        told = f" ({signed(bounds[0])} … {signed(bounds[1])}), {judged(bounds)}" if bounds else ""
        where = f"{name} against version {served.version} on {number(served.queries)} queries"
        yield f"{where}: {signed(lead)}{told}."
    if served is not None and served.churn is not None:
        kept = served.churn
        low, high = kept.intervals["overlap"]
        yield (
            f"{kept.overlap:.0%} ({low:.0%} … {high:.0%}) of the first {kept.k} answers are those of version "
            f"{served.version}; Jaccard {kept.jaccard:.2f}."
        )


def _final_fit(facts: RunFacts) -> str:
    final = facts.documents.final_training
    if final is None:
        return ""
    return (
        "Metrics, slices, examples and the map are of the model that was fitted without the held-out events. The model "
        f"to publish is a second one, fitted to all events for {number(final.steps)} steps (training.final_fit). "
        "No held-out events are left to measure it."
    )


def _state(check: Check) -> str:
    if check.skipped is not None:
        return "skipped"
    return "passed" if check.passed else "failed"


def _when(facts: RunFacts) -> str:
    run = facts.run
    parts = [moment(run.started)] if run.seconds is None else [moment(run.started), seconds(max(run.seconds, 0.0))]
    if run.span:
        parts.append(f"span {run.span}")
    return ", ".join(parts)
