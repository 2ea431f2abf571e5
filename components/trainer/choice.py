"""Chooses between trained towers and a closed form by their validation metric."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from components.trainer.closed_form import ClosedForm
from components.trainer.fitted import Fitted
from dataplane.artifacts.document import JsonValue


def better_of(trained: Fitted, closed: ClosedForm, written: Path) -> Fitted:
    """Returns the one with the higher metric, the trained towers in a tie; the result tells of both.

    Args:
        trained: the best of the recipes that are trained.
        closed: the closed form.
        written: has the checkpoint of the trained towers, which a better closed form replaces.
    """
    metric = closed.metric
    score, other = trained.fit.validation[metric], closed.metrics[metric]
    steps: Mapping[str, JsonValue] = {
        "recipe": trained.recipe,
        "temperature": trained.temperature,
        "labels": trained.labels,
        "steps": trained.fit.steps,
        metric: score,
    }
    tried = (*trained.tried, *closed.tried())
    of_trained = f"{trained.recipe} {score:.4f} after {trained.fit.steps:,} steps"
    of_closed = f"closed_form {other:.4f} with {closed.form.width} dimensions"
    if other > score:
        chosen, note = closed.fitted(written), f"{of_closed}, {of_trained}"
        tried = (*tried, steps)
    else:
        chosen, note = trained, f"{of_trained}, {of_closed}"
    return replace(chosen, tried=tried, notes=(f"chose {chosen.recipe} by validation {metric}: {note}",))
