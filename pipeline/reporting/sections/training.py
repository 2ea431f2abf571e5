"""Builds the view of the training: curves, trials, and settings."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from dataplane.artifacts.model import TrainingReport
from pipeline.reporting.charts.series import Point, Series, line_chart
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import metric, number, seconds


@dataclass(frozen=True)
class Trial:
    """A short trial run, named by its settings."""

    name: str
    value: str
    chosen: bool


@dataclass(frozen=True)
class TrainingView:
    """View of the training.

    Attributes:
        facts: properties of the training, by name.
        charts: charts by title.
        trials: short trial runs.
        metric: validation metric that chose the weights.
        notes: notes of the Trainer.
    """

    facts: dict[str, str]
    charts: dict[str, Markup]
    trials: tuple[Trial, ...]
    metric: str
    notes: tuple[str, ...]


def build(facts: RunFacts) -> TrainingView | None:
    """Builds the view; None without a training."""
    training = facts.documents.training
    if training is None:
        return None
    final = facts.documents.final_training
    told = dict(_facts(training)) | ({"final fit": f"{number(final.steps)} steps on all events"} if final else {})
    return TrainingView(told, _charts(training), tuple(_trials(training)), training.metric, training.notes)


def _facts(training: TrainingReport) -> Iterator[tuple[str, str]]:
    yield "loss", training.loss.replace("_", " ")
    yield "temperature", number(training.temperature)
    yield "labels", training.labels
    yield "steps of the chosen weights", number(training.steps)
    yield "batch", number(training.batch_size)
    yield "training events", number(training.events)
    yield "parameters", number(training.parameters)
    yield "embedding", f"{training.embedding_dim} dimensions"
    yield "time", f"{seconds(training.seconds)}, {number(training.milliseconds_per_step)} ms a step"


def _charts(training: TrainingReport) -> dict[str, Markup]:
    if len(training.curve) < 2:
        return {}
    charts = {}
    for name in dict.fromkeys((training.metric, "loss")):
        points = [
            Point(
                float(at["epoch"]),
                float(at[name]),
                f"epoch {number(at['epoch'])}, step {number(at['step'])}: {metric(at[name])}",
            )
            for at in training.curve
            if name in at and "epoch" in at and "step" in at
        ]
        if not points:
            continue
        steps = [at.get("step") for at in training.curve if name in at]
        chosen = steps.index(training.steps) if training.steps in steps else None
        title = "training loss" if name == "loss" else f"validation {name}"
        label = f"{title} by epoch, from {metric(points[0].y)} to {metric(points[-1].y)}"
        charts[title] = line_chart([Series(title, points, chosen)], label=label, x="epoch", x_step=1)
    return charts


def _trials(training: TrainingReport) -> Iterator[Trial]:
    for tried in training.tried:
        settings = {key: value for key, value in tried.items() if "@" not in key}
        value = next((value for key, value in tried.items() if "@" in key), None)
        name = ", ".join(f"{key} {value}" for key, value in settings.items())
        chosen = all(str(getattr(training, key, value)) == str(value) for key, value in settings.items())
        yield Trial(name, metric(float(value)) if isinstance(value, int | float) else str(value), chosen)
