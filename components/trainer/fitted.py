"""A fitted model of any method: its export and its report."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from components.trainer.data import Prepared
from components.trainer.settings import Settings
from dataplane.artifacts import Model
from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.model import BlendFacts, TrainingReport, WarmStarted
from dataplane.dataset.held_out import held_out, notes
from models.spec.config import ModelConfig
from models.spec.recipes import Recipe
from models.spec.trials import Labels
from models.towers.export import export_towers
from models.training.loop import Fit

Tower: TypeAlias = tf.keras.layers.Layer
"""Maps encoded columns to embeddings."""
_FEWEST_VALIDATIONS = 3
"""Validations of which the first has to be the best before memorising is suspected."""


@dataclass(frozen=True)
class Fitted:
    """A fitted model.

    Attributes:
        recipe: how the towers were made.
        config: settings of the towers.
        query_tower: with the chosen weights.
        candidate_tower: with the chosen weights.
        loss: name of the loss, or `closed_form`.
        temperature: divisor of the scores.
        labels: what a history had to predict.
        tried: settings that were compared on validation, each with its metric.
        parameters: number of weights.
        events: number of events that the weights were made of; of a blend, those that its steps were trained on.
        fit: course of the training.
        notes: why this recipe was chosen, if there was a choice.
        exponent: of the singular values in a closed form; see `models.training.spectrum.Form`.
        refitted: whether the weights were computed once more with the validation events.
        blend: how two recipes were put side by side, if they were.
        started: what was carried from another model; None if the weights started at random.
    """

    recipe: Recipe
    config: ModelConfig
    query_tower: Tower
    candidate_tower: Tower
    loss: str
    temperature: float
    labels: Labels
    tried: tuple[Mapping[str, JsonValue], ...]
    parameters: int
    events: int
    fit: Fit
    notes: tuple[str, ...] = ()
    exponent: float = 1.0
    refitted: bool = False
    blend: BlendFacts | None = None
    started: WarmStarted | None = None


def save_checkpoint(query_tower: Tower, candidate_tower: Tower, written: Path) -> None:
    """Writes the towers' weights to `checkpoints/` in `written`, in place of those that are there."""
    directory = written / "checkpoints"
    shutil.rmtree(directory, ignore_errors=True)
    checkpoint = tf.train.Checkpoint(query_tower=query_tower, candidate_tower=candidate_tower)
    tf.train.CheckpointManager(checkpoint, str(directory), max_to_keep=1).save(0)


def number_of_weights(variables: Iterable[tf.Variable]) -> int:
    """Number of weights; a variable that occurs twice counts once."""
    return int(sum(np.prod(variable.shape) for variable in {it.ref(): it for it in variables}.values()))


def export(fitted: Fitted, prepared: Prepared, output: Model) -> None:
    """Writes the towers as a SavedModel."""
    export_towers(
        prepared.spec,
        fitted.query_tower,
        fitted.candidate_tower,
        output.path / "towers",
        config=fitted.config,
        ordered=prepared.dataset.ordered,
    )


def report_of(fitted: Fitted, prepared: Prepared, params: Settings, *, seconds: float) -> TrainingReport:
    """The document `training.json` of a fitted model."""
    fit, validation = fitted.fit, prepared.validation
    warm = {} if fitted.started is None else {"warm_start": fitted.started}
    return TrainingReport(
        steps=fit.steps,
        events=fitted.events,
        batch_size=fit.batch_size,
        recipe=fitted.recipe,
        loss=fitted.loss,
        temperature=fitted.temperature,
        labels=fitted.labels,
        exponent=fitted.exponent,
        refitted=fitted.refitted,
        blend=fitted.blend,
        tried=fitted.tried,
        metric=params.training.metric,
        validation=fit.validation,
        validation_queries=len(validation.relevant) if validation else 0,
        notes=(*fitted.notes, *(_notes(fit, prepared, params) if validation else ())),
        embedding_dim=fitted.config.width + fitted.config.popularity_bias,
        parameters=fitted.parameters,
        seconds=round(seconds, 3),
        milliseconds_per_step=round(1000 * fit.seconds_per_step, 3),
        curve=tuple(fit.curve),
        **warm,
    )


def _notes(fit: Fit, prepared: Prepared, params: Settings) -> list[str]:
    queries = notes("validation", held_out(prepared.dataset, "validation", remove_seen=params.remove_seen))
    return [*memorising(fit.curve, params.training.metric), *queries]


def memorising(curve: Sequence[Mapping[str, float]], metric: str) -> list[str]:
    """A note if the first validation was the best of several, although the loss went on falling."""
    curve = [entry for entry in curve if entry["step"]]  # not the start of a warm training
    values = [entry[metric] for entry in curve]
    if len(values) < _FEWEST_VALIDATIONS or max(values[1:]) >= values[0] or curve[-1]["loss"] >= curve[0]["loss"]:
        return []
    shown = ", ".join(f"{value:.4f}" for value in values)
    return [
        f"validation {metric} fell from the first validation on ({shown}), while the loss fell from "
        f"{curve[0]['loss']:.2f} to {curve[-1]['loss']:.2f}: the towers memorise. training.method: auto with default "
        "towers, projection: false in both towers, or more dropout may help; so may training.validation_steps below an "
        "epoch"
    ]
