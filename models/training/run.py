"""A training under way: its steps, validations, checkpoints and TensorBoard logs."""

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from models.spec.config import TrainingConfig
from models.spec.progress import Advanced, Decided, Progress, Validated
from models.training.batches import StepBatches
from models.training.distribution import input_slices, is_chief, json_of_chief, of_chief, slices_signature
from models.training.prefetching import Prefetched
from models.training.step import compiled
from models.training.two_tower import TwoTower
from models.training.unfinished import read_sealed, write_sealed
from models.training.validation import Validation

AHEAD = 4
"""Number of batches that are prepared ahead."""
_DIVERGED = "lower training.learning_rate, or look for extreme values in numeric and vector features"


@dataclass(frozen=True)
class TrainingPaths:
    """The directories of a training.

    Attributes:
        output: receives `checkpoints/` with the chosen weights, and `tensorboard/`.
        unfinished: has the state after the last validation, from which an interrupted training resumes bit for bit.
            Removed at the end.
        trial: name of a folder in `unfinished` and `tensorboard/` that separates several trainings.
    """

    output: Path
    unfinished: Path
    trial: str = ""


class TrainingRun:
    """A running training: its step, its clock and its files. Use it in a `with` block.

    All workers run the same steps. Only the chief validates, reads and writes, and sends its results to the others.
    """

    def __init__(
        self,
        model: TwoTower,
        batches: StepBatches,
        paths: TrainingPaths,
        *,
        steps: int,
        may_end_early: bool,
        progress: Progress,
    ) -> None:
        self.step = 0
        self._steps = steps
        self._may_end_early = may_end_early
        self._progress = progress
        self.curve: list[dict[str, float]] = []
        self._model = model
        self._batches = batches
        self._paths = paths
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
        self._directory = paths.unfinished / paths.trial
        self._state = self._directory / "state.json"
        if self._chief:
            self._summaries = tf.summary.create_file_writer(str(paths.output / "tensorboard" / paths.trial))
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
        """Mean over the steps without the first one, which includes tracing."""
        return (self._seconds - self._first_seconds) / max(self.step - 1, 1)

    def best(self, metric: str) -> dict[str, float]:
        """The first entry of the curve with the best value of the metric."""
        return max(self.curve, key=lambda entry: entry[metric])

    def validations_since_best(self, metric: str) -> int:
        """Number of validations since the best one."""
        return len(self.curve) - 1 - self.curve.index(self.best(metric)) if self.curve else 0

    def is_finished(self, config: TrainingConfig) -> bool:
        """Whether all epochs are done, or the metric has not improved for `config.patience` validations."""
        done = self.step >= config.max_epochs * self._batches.steps_per_epoch
        return done or self.validations_since_best(config.metric) >= config.patience

    def validate_start(self, validation: Validation, config: TrainingConfig) -> dict[str, float] | None:
        """Validates and saves the weights that the training starts from; returns the entry, None if that is done."""
        if self.curve:
            return None
        entry = self.record(validation)
        self.save(self.step)
        self._progress(Decided(f"starts from {config.metric} {entry[config.metric]:.4f}", entry))
        return entry

    def until_validated(self, validation: Validation, config: TrainingConfig) -> dict[str, float]:
        """Runs the steps up to the next validation, validates and saves; returns the new entry of the curve."""
        epoch = self._batches.steps_per_epoch
        self.advance(min(config.validation_steps or epoch, config.max_epochs * epoch - self.step))
        entry, best = self.record(validation), self.best(config.metric)
        self.save(best["step"])
        self._progress(
            Validated(
                epoch=entry["epoch"],
                step=self.step,
                loss=entry["loss"],
                metric=config.metric,
                value=entry[config.metric],
                best=best[config.metric],
                best_step=int(best["step"]),
            )
        )
        return entry

    def advance(self, steps: int) -> None:
        """Runs `steps` optimiser steps.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        self._mean_loss.reset_state()
        for _ in range(steps):
            start = time.perf_counter()
            self._train_step(next(self._inputs))
            self._seconds += time.perf_counter() - start
            self.step += 1
            self._first_seconds = self._first_seconds or self._seconds
            self._progress(Advanced(self.step, self._steps, "steps", self._may_end_early))
        loss = float(self._mean_loss.result())
        if not math.isfinite(loss):
            raise FloatingPointError(f"the training loss became {loss} before step {self.step}: {_DIVERGED}")

    def record(self, validation: Validation | None) -> dict[str, float]:
        """Validates if `validation` is given, and adds an entry to the curve and to TensorBoard; returns the entry.

        Raises:
            FloatingPointError: a weight, an embedding or a score is not finite.
        """
        entry = {"step": self.step, "epoch": self.step / self._batches.steps_per_epoch}
        loss = {"loss": float(self._mean_loss.result())} if self.step else {}
        entry |= {**loss, "seconds": round(self._seconds, 3)}
        if self._chief:
            metrics = self._metrics(validation)
            with self._summaries.as_default(step=self.step):
                for name, value in {**loss, **metrics}.items():
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
        """Saves the weights of this step and of the best one, and the state to resume from."""
        if not self._chief:
            return
        self._checkpoint.write(str(self._file(self.step)))
        state = {"step": self.step, "seconds": self._seconds, "first": self._first_seconds, "curve": self.curve}
        kept = (self._file(self.step).name, self._file(best_step).name)
        checkpoints = {file: file.name.split(".")[0] in kept for file in self._directory.glob("step-*")}
        needed = [file for file, is_kept in checkpoints.items() if is_kept]
        write_sealed(self._state, state, needed)  # from here on a resumed training starts at this step
        for file in checkpoints.keys() - set(needed):
            file.unlink()

    def finish(self, chosen_step: float) -> None:
        """Restores the chosen weights, writes them to the output and removes the unfinished state."""
        self._restore(chosen_step)
        if self._chief:
            directory = str(self._paths.output / "checkpoints")
            tf.train.CheckpointManager(self._checkpoint, directory, max_to_keep=1).save(chosen_step)
            shutil.rmtree(self._paths.unfinished)

    def _resume(self) -> None:
        found = self._chief and self._state.exists()
        state = json_of_chief(self._strategy, read_sealed(self._state) if found else None)
        if state is not None:
            self.step, self.curve = state["step"], state["curve"]
            self._seconds, self._first_seconds = state["seconds"], state["first"]
            self._restore(self.step)
            self._progress(Decided(f"continues the training from step {self.step}", {"step": self.step}))

    def _restore(self, step: float) -> None:
        if self._chief:
            self._checkpoint.read(str(self._file(step))).assert_consumed()
        if isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy):
            for variable in (*self._model.variables, *self._model.optimizer.variables):
                variable.assign(of_chief(self._strategy, variable))

    def _file(self, step: float) -> Path:
        return self._directory / f"step-{step:.0f}"
