"""The facts of a run as parameters, metrics and tags, with names that MLflow allows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dataplane.artifacts.evaluation import ServedMetrics, Skipped
from pipeline.config.settings import with_defaults
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import setting

_LONGEST = 500
"""Longest value of a parameter that every server takes."""
_NOT_ALLOWED = re.compile(r"[^\w.\- /]")
_TRAININGS = (("training", "training"), ("final_training", "final_training"))


@dataclass(frozen=True)
class Point:
    """A metric at a step.

    Attributes:
        name: name of the metric.
        value: its value.
        step: optimiser step; 0 for metrics of the finished model.
    """

    name: str
    value: float
    step: int = 0


def parameters(facts: RunFacts) -> dict[str, str]:
    """All settings by dotted key, those with default values too; long values are cut."""
    return {allowed(it.key): setting(it.value)[:_LONGEST] for it in with_defaults(facts.run.settings)}


def tags(facts: RunFacts) -> dict[str, str]:
    """What identifies the run, and how it ended."""
    push = facts.documents.push
    found = {
        "pipeline": facts.pipeline,
        "run": facts.run.id,
        "state": facts.run.state,
        "message": facts.run.message.partition("\n")[0][:_LONGEST],
        "version": str(push.version) if push else "",
        "published": "" if push is None else "yes" if push.new else "no",
    }
    return {name: value for name, value in found.items() if value}


def points(facts: RunFacts) -> Iterator[Point]:
    """The learning curves by step, and the metrics of the model, its baselines, the served model and the index."""
    for field, prefix in _TRAININGS:
        training = getattr(facts.documents, field)
        for entry in training.curve if training else ():
            step = int(entry["step"])
            yield from (Point(f"{prefix}/{name}", value, step) for name, value in entry.items() if name != "step")
    for prefix, values in _measured(facts):
        yield from (Point(f"{prefix}/{name}", value) for name, value in values.items())
    for step_ in facts.run.steps:
        if step_.state == "run":
            yield Point(f"seconds/{step_.node}", step_.seconds)


def _measured(facts: RunFacts) -> Iterator[tuple[str, Mapping[str, float]]]:
    metrics, index = facts.documents.metrics, facts.documents.index
    if metrics is not None:
        yield "test", metrics.test
        yield "test", {f"{name}/lower": bounds[0] for name, bounds in metrics.intervals.test.items()}
        yield "test", {f"{name}/upper": bounds[1] for name, bounds in metrics.intervals.test.items()}
        for baseline, means in metrics.baselines.items():
            if not isinstance(means, Skipped):
                yield baseline, means
        if isinstance(metrics.published, ServedMetrics):
            yield "served", metrics.published.test
    if index is not None:
        yield "index", index.recall


def allowed(name: str) -> str:
    """A name with the characters that MLflow allows: `recall@10` becomes `recall_at_10`."""
    return _NOT_ALLOWED.sub("_", name.replace("@", "_at_"))
