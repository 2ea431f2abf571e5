"""The training loop: steps, validation, early stopping, checkpoints, TensorBoard."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf

from models.batches import Batch
from models.config import TrainingConfig
from models.features import HISTORY
from models.two_tower import TwoTower
from models.validation import Validation

_PREFETCH = 4


class TrainingBatches(Protocol):
    """What is trained on: `models.batches.Batches` or `models.windows.WindowBatches`."""

    steps_per_epoch: int

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""

    def from_step(self, step: int) -> Iterator[Batch]:
        """Batches from `step` on, without end."""


@dataclass(frozen=True)
class Fit:
    """What a training came to; the model has the chosen weights.

    Attributes:
        steps: optimiser steps behind the chosen weights.
        validation: metrics of the chosen weights; empty without validation.
        curve: one entry a validation: `step`, `epoch`, `loss`, `seconds` of training so far, and the metrics.
        seconds_per_step: mean over the training, the first step (which traces) left out.
    """

    steps: int
    validation: dict[str, float]
    curve: list[dict[str, float]]
    seconds_per_step: float


def fit_until_best(
    model: TwoTower,
    batches: TrainingBatches,
    validation: Validation,
    *,
    config: TrainingConfig,
    directory: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Fit:
    """Trains until the validation metric has not improved for `config.patience` validations.

    Args:
        model: compiled.
        batches: training batches.
        validation: what chooses the weights.
        config: when to validate and to stop.
        directory: gets `checkpoints/` (the best weights) and `tensorboard/`.
        progress: takes a line after each validation.

    Raises:
        FloatingPointError: the loss is not a number any more.
    """
    run, best, best_step, stale = _Run(model, batches, directory), -math.inf, 0, 0
    period, last = config.validation_steps or batches.steps_per_epoch, config.max_epochs * batches.steps_per_epoch
    while run.step < last and stale < config.patience:
        run.advance(min(period, last - run.step))
        entry = run.record(validation.metrics(model.query_tower, model.candidate_tower))
        stale += 1
        if entry[config.metric] > best:
            best, best_step, stale = entry[config.metric], run.step, 0
            run.save()
        progress(
            f"epoch {entry['epoch']:.1f}, step {run.step}: loss {entry['loss']:.4f}, "
            f"validation {config.metric} {entry[config.metric]:.4f} (best {best:.4f} at step {best_step})"
        )
    run.restore()
    chosen = next(entry for entry in run.curve if entry["step"] == best_step)
    metrics = {name: value for name, value in chosen.items() if "@" in name}
    return Fit(best_step, metrics, run.curve, run.seconds_per_step)


def fit_steps(
    model: TwoTower,
    batches: TrainingBatches,
    *,
    steps: int,
    directory: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Fit:
    """Trains for a given number of steps, without validation.

    Raises:
        FloatingPointError: the loss is not a number any more.
    """
    run = _Run(model, batches, directory)
    while run.step < steps:
        run.advance(min(batches.steps_per_epoch, steps - run.step))
        entry = run.record({})
        progress(f"step {run.step} of {steps}: loss {entry['loss']:.4f}")
    run.save()
    return Fit(steps, {}, run.curve, run.seconds_per_step)


class _Run:
    """A training under way: the step it is at, its clock, and what it writes."""

    def __init__(self, model: TwoTower, batches: TrainingBatches, directory: Path) -> None:
        self.step = 0
        self.curve: list[dict[str, float]] = []
        self._model = model
        self._batches = batches
        self._train_step = _compiled(model, iter(_dataset(batches)))
        self._seconds = 0.0
        self._first_seconds = 0.0
        self._summaries = tf.summary.create_file_writer(str(directory / "tensorboard"))
        parts = {"query_tower": model.query_tower, "candidate_tower": model.candidate_tower}
        if model.estimator is not None:
            parts["frequency"] = model.estimator
        checkpoint = tf.train.Checkpoint(optimizer=model.optimizer, **parts)
        self._checkpoints = tf.train.CheckpointManager(checkpoint, str(directory / "checkpoints"), max_to_keep=1)

    @property
    def seconds_per_step(self) -> float:
        return (self._seconds - self._first_seconds) / max(self.step - 1, 1)

    def advance(self, steps: int) -> None:
        """Takes so many steps.

        Raises:
            FloatingPointError: the loss is not a number any more.
        """
        self._model.reset_metrics()
        for _ in range(steps):
            start = time.perf_counter()
            self._train_step()
            self._seconds += time.perf_counter() - start
            self.step += 1
            self._first_seconds = self._first_seconds or self._seconds
        loss = float(self._model.mean_loss.result())
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the training loss became {loss} before step {self.step}: lower training.learning_rate, or look for "
                f"extreme values in numeric and vector features"
            )

    def record(self, metrics: dict[str, float]) -> dict[str, float]:
        """Adds an entry to the curve and to TensorBoard."""
        loss = float(self._model.mean_loss.result())
        with self._summaries.as_default(step=self.step):
            for name, value in {"loss": loss, **metrics}.items():
                tf.summary.scalar(name, value)
        entry = {"step": self.step, "epoch": self.step / self._batches.steps_per_epoch, "loss": loss}
        self.curve.append(entry | {"seconds": round(self._seconds, 3)} | metrics)
        return self.curve[-1]

    def save(self) -> None:
        self._checkpoints.save(self.step)

    def restore(self) -> None:
        self._checkpoints.checkpoint.restore(self._checkpoints.latest_checkpoint).assert_consumed()


def _compiled(model: TwoTower, inputs: Any) -> Any:
    # The batch is fetched inside the function: handed over from outside, the changing length of `known` would trace
    # the function anew at every step.
    @tf.function
    def train_step() -> dict[str, tf.Tensor]:
        return model.train_step(next(inputs))

    return train_step


def _dataset(batches: TrainingBatches) -> tf.data.Dataset:
    def spec(values: Any) -> tf.TensorSpec:
        return tf.TensorSpec([None, *values.shape[1:]], values.dtype)

    signature = tf.nest.map_structure(spec, batches.batch(0))
    if HISTORY in signature["query"]:  # windows are as long as the longest of the batch
        signature["query"][HISTORY] = tf.TensorSpec([None, None], tf.int32)
    dataset = tf.data.Dataset.from_generator(lambda: batches.from_step(0), output_signature=signature)
    return dataset.prefetch(_PREFETCH)
