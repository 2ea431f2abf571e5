"""The ways to train: until validation is best, a short trial run, or a given number of steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.spec.config import TrainingConfig
from models.spec.progress import Decided, Progress, unheard
from models.training.batches import StepBatches
from models.training.run import TrainingPaths, TrainingRun
from models.training.two_tower import TwoTower
from models.training.validation import Validation


@dataclass(frozen=True)
class Fit:
    """The result of a training; the model then has the chosen weights.

    Attributes:
        steps: optimiser steps that led to the chosen weights.
        validation: metrics of the chosen weights; empty without validation.
        curve: one entry per validation: `step`, `epoch`, `loss`, `seconds` of training so far, and the metrics.
        seconds_per_step: mean over the training without the first step, which includes tracing.
        batch_size: examples per step.
    """

    steps: int
    validation: dict[str, float]
    curve: list[dict[str, float]]
    seconds_per_step: float
    batch_size: int


def fit_until_best(
    model: TwoTower,
    batches: StepBatches,
    validation: Validation,
    *,
    config: TrainingConfig,
    paths: TrainingPaths,
    progress: Progress = unheard,
    validated: Callable[[Mapping[str, float]], None] = lambda entry: None,
    start_counts: bool = False,
) -> Fit:
    """Trains until the validation metric has not improved for `config.patience` validations.

    Args:
        model: compiled.
        batches: training batches.
        validation: selects the weights.
        config: when to validate and when to stop.
        paths: where to write, and to resume from.
        progress: told about every step and every validation.
        validated: called with the entry of the curve after each validation; may raise to end the training.
        start_counts: whether the weights at the start are validated, and may be the best.

    Raises:
        FloatingPointError: the loss, an embedding or a weight is not finite.
    """
    steps = config.max_epochs * batches.steps_per_epoch
    with TrainingRun(model, batches, paths, steps=steps, may_end_early=True, progress=progress) as run:
        if start_counts and (entry := run.validate_start(validation, config)):
            validated(entry)
        while not run.is_finished(config):
            validated(run.until_validated(validation, config))
        chosen = run.best(config.metric)
        run.finish(chosen["step"])
    metrics = {name: value for name, value in chosen.items() if "@" in name}
    return Fit(int(chosen["step"]), metrics, run.curve, run.seconds_per_step, batches.batch_size)


def run_trial(
    model: TwoTower,
    batches: StepBatches,
    validation: Validation,
    *,
    config: TrainingConfig,
    paths: TrainingPaths,
    validations: int,
    progress: Progress = unheard,
) -> float:
    """Runs the first validations of `fit_until_best`, which resumes from there if it gets the same paths.

    Args:
        model: compiled.
        batches: training batches.
        validation: measures the trial.
        config: when to validate and when to stop.
        paths: where to write, and to resume from.
        validations: number of validations to run.
        progress: told about every step and every validation.

    Returns:
        The best value of the validation metric.

    Raises:
        FloatingPointError: the loss, an embedding or a weight is not finite.
    """
    epoch = batches.steps_per_epoch
    steps = min(validations * (config.validation_steps or epoch), config.max_epochs * epoch)
    with TrainingRun(model, batches, paths, steps=steps, may_end_early=False, progress=progress) as run:
        while len(run.curve) < validations and not run.is_finished(config):
            run.until_validated(validation, config)
        return run.best(config.metric)[config.metric]


def fit_steps(
    model: TwoTower,
    batches: StepBatches,
    *,
    steps: int,
    paths: TrainingPaths,
    progress: Progress = unheard,
) -> Fit:
    """Trains for a given number of steps, without validation.

    Raises:
        FloatingPointError: the loss, an embedding or a weight is not finite.
    """
    with TrainingRun(model, batches, paths, steps=steps, may_end_early=False, progress=progress) as run:
        while run.step < steps:
            run.advance(min(batches.steps_per_epoch, steps - run.step))
            entry = run.record(None)
            run.save(run.step)
            progress(Decided(f"step {run.step} of {steps}: loss {entry['loss']:.4f}", entry))
        run.finish(run.step)
    return Fit(steps, {}, run.curve, run.seconds_per_step, batches.batch_size)
