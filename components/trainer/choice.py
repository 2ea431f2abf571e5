"""Chooses between trained towers, a closed form and both side by side, by their validation metric."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from components.trainer.blend import Blend
from components.trainer.closed_form import ClosedForm
from components.trainer.fitted import Fitted
from dataplane.artifacts.document import JsonValue


def best_fit(trained: Fitted, closed: ClosedForm, blended: Blend, written: Path) -> Fitted:
    """Returns the one with the highest metric, in a tie the simplest; the result tells of all.

    Args:
        trained: the best of the recipes that are trained.
        closed: the closed form.
        blended: both side by side.
        written: has the checkpoint of the trained towers, which a better one replaces.
    """
    metric, steps = closed.metric, trained.fit.steps
    scores = {
        trained.recipe: trained.fit.validation[metric],
        "closed_form": closed.metrics[metric],
        "blend": blended.metrics[metric],
    }
    named = {
        trained.recipe: f"{trained.recipe} {scores[trained.recipe]:.4f} after {steps:,} steps",
        "closed_form": f"closed_form {scores['closed_form']:.4f} with {closed.form.width} dimensions",
        "blend": f"blend of both {scores['blend']:.4f}",
    }
    best = max(scores, key=lambda recipe: scores[recipe])
    tried = (*trained.tried, *closed.tried(), *blended.tried())
    if best == trained.recipe:
        chosen = trained
    else:
        chosen = closed.fitted(written) if best == "closed_form" else blended.fitted(written)
        tried = (*tried, _as_tried(trained, metric))
    told = ", ".join([named[best], *(text for recipe, text in named.items() if recipe != best)])
    return replace(chosen, tried=tried, notes=(f"chose {best} by validation {metric}: {told}",))


def _as_tried(trained: Fitted, metric: str) -> Mapping[str, JsonValue]:
    """Trained towers that were surpassed, as a report names them."""
    return {
        "recipe": trained.recipe,
        "temperature": trained.temperature,
        "labels": trained.labels,
        "steps": trained.fit.steps,
        metric: trained.fit.validation[metric],
    }
