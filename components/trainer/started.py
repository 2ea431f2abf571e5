"""Tells in the report how a training with `warm_start` began; imports no TensorFlow."""

from dataplane.artifacts.model import TrainingReport, WarmStarted


def with_start(report: TrainingReport, decided: WarmStarted | None) -> TrainingReport:
    """The report with a note about the start.

    Args:
        report: of the training; it has what was carried, if anything was.
        decided: the start that was decided on; None without `warm_start`.
    """
    if decided is None:
        return report
    started = report.warm_start or decided
    return report.model_copy(update={"warm_start": started, "notes": (in_words(started), *report.notes)})


def in_words(started: WarmStarted) -> str:
    """How a training began, in one line."""
    if started.cold:
        return f"cold start, from random weights: {started.cold}"
    ids = started.columns["candidate.candidate_id"]
    kept = "carried" if started.optimizer else "reset"
    predicted = f", {ids.predicted:,} of them from their features" if ids.predicted else ""
    return (
        f"warm start, number {started.trainings} since a cold one: {ids.carried:,} rows of candidate ids carried, "
        f"{ids.new:,} new{predicted}, {ids.gone:,} gone; optimiser's state {kept}"
    )
