"""The training loop: steps, validation, early stopping, checkpoints, TensorBoard."""

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from models.spec.config import TrainingConfig
from models.training.batches import Batch, StepBatches
from models.training.distribution import (
    input_slices,
    is_chief,
    json_of_chief,
    of_chief,
    replicas_here,
    slices_signature,
)
from models.training.prefetching import Prefetched
from models.training.two_tower import TwoTower
from models.training.unfinished import read_sealed, write_sealed
from models.training.validation import Validation

AHEAD = 4
"""Batches that are ready before they are needed."""
_DIVERGED = "lower training.learning_rate, or look for extreme values in numeric and vector features"


@dataclass(frozen=True)
class Fit:
    """What a training came to; the model has the chosen weights.

    Attributes:
        steps: optimiser steps behind the chosen weights.
        validation: metrics of the chosen weights; empty without validation.
        curve: one entry a validation: `step`, `epoch`, `loss`, `seconds` of training so far, and the metrics.
        seconds_per_step: mean over the training, the first step (which traces) left out.
        batch_size: examples of a step.
    """

    steps: int
    validation: dict[str, float]
    curve: list[dict[str, float]]
    seconds_per_step: float
    batch_size: int


@dataclass(frozen=True)
class Places:
    """Where a training writes.

    Attributes:
        output: gets `checkpoints/` (the chosen weights) and `tensorboard/`.
        unfinished: has all that a training interrupted after a validation needs to go on, as if nothing had happened,
            to the bit; removed at the end.
        trial: a folder in `unfinished` and `tensorboard/` that tells several trainings apart.
    """

    output: Path
    unfinished: Path
    trial: str = ""


def fit_until_best(
    model: TwoTower,
    batches: StepBatches,
    validation: Validation,
    *,
    config: TrainingConfig,
    places: Places,
    progress: Callable[[str], None] = lambda line: None,
    validated: Callable[[Mapping[str, float]], None] = lambda entry: None,
) -> Fit:
    """Trains until the validation metric has not improved for `config.patience` validations.

    Args:
        model: compiled.
        batches: training batches.
        validation: what chooses the weights.
        config: when to validate and to stop.
        places: where to write, and to go on from.
        progress: takes a line after each validation.
        validated: takes the curve's entry after each validation; may raise to end the training.

    Raises:
        FloatingPointError: the loss, an embedding or a weight is not a number any more.
    """
    with _Run(model, batches, places) as run:
        while not run.over(config):
            validated(run.until_validated(validation, config, progress))
        chosen = run.best(config.metric)
        run.finish(chosen["step"])
    metrics = {name: value for name, value in chosen.items() if "@" in name}
    return Fit(int(chosen["step"]), metrics, run.curve, run.seconds_per_step, batches.batch_size)


def try_out(
    model: TwoTower,
    batches: StepBatches,
    validation: Validation,
    *,
    config: TrainingConfig,
    places: Places,
    validations: int,
    progress: Callable[[str], None] = lambda line: None,
) -> float:
    """The beginning of `fit_until_best`, which with the same places goes on from there.

    Args:
        model: compiled.
        batches: training batches.
        validation: what is measured on.
        config: when to validate and to stop.
        places: where to write, and to go on from.
        validations: how many of them make up the beginning.
        progress: takes a line after each validation.

    Returns:
        The best value of the validation metric.

    Raises:
        FloatingPointError: the loss, an embedding or a weight is not a number any more.
    """
    with _Run(model, batches, places) as run:
        while len(run.curve) < validations and not run.over(config):
            run.until_validated(validation, config, progress)
        return run.best(config.metric)[config.metric]


def fit_steps(
    model: TwoTower,
    batches: StepBatches,
    *,
    steps: int,
    places: Places,
    progress: Callable[[str], None] = lambda line: None,
) -> Fit:
    """Trains for a given number of steps, without validation.

    Raises:
        FloatingPointError: the loss, an embedding or a weight is not a number any more.
    """
    with _Run(model, batches, places) as run:
        while run.step < steps:
            run.advance(min(batches.steps_per_epoch, steps - run.step))
            entry = run.record(None)
            run.save(run.step)
            progress(f"step {run.step} of {steps}: loss {entry['loss']:.4f}")
        run.finish(run.step)
    return Fit(steps, {}, run.curve, run.seconds_per_step, batches.batch_size)


class _Run:
    """A training under way: the step it is at, its clock, and what it writes; for use in a `with` block.

    It goes on in every worker alike; the chief alone validates, reads and writes, and tells the others.
    """

    def __init__(self, model: TwoTower, batches: StepBatches, places: Places) -> None:
        self.step = 0
        self.curve: list[dict[str, float]] = []
        self._model = model
        self._batches = batches
        self._places = places
        self._strategy = model.distribute_strategy
        self._chief = is_chief(self._strategy)
        self._seconds = 0.0
        self._first_seconds = 0.0
        self._mean_loss = tf.keras.metrics.Mean()
        parts = {"query_tower": model.query_tower, "candidate_tower": model.candidate_tower}
        parts |= {name: part for name, part in model.memories.items() if part is not None}
        with self._strategy.scope():
            model.optimizer.build(model.trainable_variables)
        self._checkpoint = tf.train.Checkpoint(optimizer=model.optimizer, **parts)
        self._directory = places.unfinished / places.trial
        self._state = self._directory / "state.json"
        if self._chief:
            self._summaries = tf.summary.create_file_writer(str(places.output / "tensorboard" / places.trial))
            self._directory.mkdir(parents=True, exist_ok=True)
        self._resume()
        self._train_step = compiled(model, slices_signature(self._strategy, batches), self._mean_loss)
        self._inputs = Prefetched(input_slices(self._strategy, batches, self.step), ahead=AHEAD)

    def __enter__(self) -> Self:
        self._inputs.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._inputs.__exit__(*raised)
        if self._chief:
            self._summaries.close()

    @property
    def seconds_per_step(self) -> float:
        return (self._seconds - self._first_seconds) / max(self.step - 1, 1)

    def best(self, metric: str) -> dict[str, float]:
        """The first entry of the curve that nothing betters."""
        return max(self.curve, key=lambda entry: entry[metric])

    def stale(self, metric: str) -> int:
        """Validations since the best one."""
        return len(self.curve) - 1 - self.curve.index(self.best(metric)) if self.curve else 0

    def over(self, config: TrainingConfig) -> bool:
        """Whether all epochs are done, or the metric has not improved for long enough."""
        done = self.step >= config.max_epochs * self._batches.steps_per_epoch
        return done or self.stale(config.metric) >= config.patience

    def until_validated(
        self, validation: Validation, config: TrainingConfig, progress: Callable[[str], None]
    ) -> dict[str, float]:
        """Takes the steps up to the next validation, validates and saves; returns the curve's new entry."""
        epoch = self._batches.steps_per_epoch
        self.advance(min(config.validation_steps or epoch, config.max_epochs * epoch - self.step))
        entry, best = self.record(validation), self.best(config.metric)
        self.save(best["step"])
        progress(
            f"epoch {entry['epoch']:.1f}, step {self.step}: loss {entry['loss']:.4f}, validation {config.metric} "
            f"{entry[config.metric]:.4f} (best {best[config.metric]:.4f} at step {best['step']:.0f})"
        )
        return entry

    def advance(self, steps: int) -> None:
        """Takes so many steps.

        Raises:
            FloatingPointError: the loss is not a number any more.
        """
        self._mean_loss.reset_state()
        for _ in range(steps):
            start = time.perf_counter()
            self._train_step(next(self._inputs))
            self._seconds += time.perf_counter() - start
            self.step += 1
            self._first_seconds = self._first_seconds or self._seconds
        loss = float(self._mean_loss.result())
        if not math.isfinite(loss):
            raise FloatingPointError(f"the training loss became {loss} before step {self.step}: {_DIVERGED}")

    def record(self, validation: Validation | None) -> dict[str, float]:
        """Validates, if there is something to, and adds an entry to the curve and to TensorBoard; returns it.

        Raises:
            FloatingPointError: the weights, or what the towers make of them, are not numbers any more.
        """
        entry = {"step": self.step, "epoch": self.step / self._batches.steps_per_epoch}
        entry |= {"loss": float(self._mean_loss.result()), "seconds": round(self._seconds, 3)}
        if self._chief:
            metrics = self._metrics(validation)
            with self._summaries.as_default(step=self.step):
                for name, value in {"loss": entry["loss"], **metrics}.items():
                    tf.summary.scalar(name, value)
            entry |= metrics
        self.curve.append(json_of_chief(self._strategy, entry))
        return self.curve[-1]

    def _metrics(self, validation: Validation | None) -> dict[str, float]:
        if validation is None:
            broken = [each.name for each in self._model.trainable_variables if not np.isfinite(each.numpy()).all()]
            if broken:
                raise FloatingPointError(f"{broken[0]} has NaN or infinite values after step {self.step}: {_DIVERGED}")
            return {}
        return validation.metrics(self._model.query_tower, self._model.candidate_tower)

    def save(self, best_step: float) -> None:
        """Keeps the weights of this step and of the best one, and how to go on from here."""
        if not self._chief:
            return
        self._checkpoint.write(str(self._file(self.step)))
        state = {"step": self.step, "seconds": self._seconds, "first": self._first_seconds, "curve": self.curve}
        kept = (self._file(self.step).name, self._file(best_step).name)
        checkpoints = {file: file.name.split(".")[0] in kept for file in self._directory.glob("step-*")}
        needed = [file for file, is_kept in checkpoints.items() if is_kept]
        write_sealed(self._state, state, needed)  # from now on the training goes on from here
        for file in checkpoints.keys() - set(needed):
            file.unlink()

    def finish(self, chosen_step: float) -> None:
        """Gives the model the chosen weights, writes them to the output and removes what is left."""
        self._restore(chosen_step)
        if self._chief:
            directory = str(self._places.output / "checkpoints")
            tf.train.CheckpointManager(self._checkpoint, directory, max_to_keep=1).save(chosen_step)
            shutil.rmtree(self._places.unfinished)

    def _resume(self) -> None:
        found = self._chief and self._state.exists()
        state = json_of_chief(self._strategy, read_sealed(self._state) if found else None)
        if state is not None:
            self.step, self.curve = state["step"], state["curve"]
            self._seconds, self._first_seconds = state["seconds"], state["first"]
            self._restore(self.step)

    def _restore(self, step: float) -> None:
        if self._chief:
            self._checkpoint.read(str(self._file(step))).assert_consumed()
        if isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy):
            for variable in (*self._model.variables, *self._model.optimizer.variables):
                variable.assign(of_chief(self._strategy, variable))

    def _file(self, step: float) -> Path:
        return self._directory / f"step-{step:.0f}"


def compiled(
    model: TwoTower, signature: list[Any], mean_loss: tf.keras.metrics.Mean
) -> Callable[[Sequence[Batch]], None]:
    """One training step on every replica, traced once.

    Args:
        model: compiled.
        signature: of what the step is given, see `models.training.distribution.slices_signature`.
        mean_loss: is told the loss.

    Returns:
        Takes the step with the slices that `models.training.distribution.input_slices` yields.
    """
    strategy = model.distribute_strategy
    first = replicas_here(strategy)[0]

    @tf.function(input_signature=[signature])
    def train_step(slices: Sequence[Batch]) -> None:
        def on_replica() -> dict[str, tf.Tensor]:
            replica = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
            return model.train_step(slices[int(replica) - first])

        told = strategy.run(on_replica)
        mean_loss.update_state(strategy.reduce("SUM", told["loss"], axis=None))

    step: Callable[[Sequence[Batch]], None] = train_step
    return step
