"""Executor of the Trainer: opens the data, fits the model with the best trial settings, and exports the towers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import tensorflow as tf

from components.trainer.blend import blend, repeated
from components.trainer.choice import best_fit
from components.trainer.closed_form import Known, closed_form
from components.trainer.data import Prepared, prepare
from components.trainer.fitted import Fitted, export, number_of_weights, report_of
from components.trainer.settings import Settings
from components.trainer.start import Start
from components.trainer.trials import Scores, best_of, run_trials, tried_trials
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.model import TrainingReport
from dataplane.errors import ConfigError, DataError, DivergedError, RunError
from models.negatives.negatives import build_sampler
from models.spec.config import TrainingConfig
from models.spec.features import CANDIDATE_ID
from models.spec.progress import Progress
from models.spec.recipes import TRAINED, Recipe, recipes_to_try, schedule, trained_model
from models.spec.trials import TRIAL_VALIDATIONS, Trial, TrialSpace, labels_to_try, temperatures_to_try
from models.training.batches import StepBatches
from models.training.closed_form import vectors_of
from models.training.distribution import TooFewRowsError, build_strategy, is_chief
from models.training.loop import Fit, fit_steps, fit_until_best, run_trial
from models.training.optimizers import MOMENTS, build_optimizer
from models.training.run import TrainingPaths
from models.training.two_tower import TwoTower
from models.training.validation import Validation
from models.training.warm_start import NOTHING_BUT_ROWS, Base, Carried, restore_optimizer
from models.training.windows import build_batches


@contextmanager
def _as_run_errors() -> Iterator[None]:
    """Converts errors of `models` about unsuitable settings or data to errors for the user."""
    try:
        yield
    except FloatingPointError as error:
        raise DivergedError(str(error)) from error
    except TooFewRowsError as error:
        raise ConfigError(str(error)) from error


@_as_run_errors()
def train(
    examples: TransformedExamples,
    graph: TransformGraph,
    output: Model | None,
    *,
    params: Settings,
    reference: TrainingReport | None,
    resume: Path | None,
    progress: Progress,
    scratch: Path,
    start: Start | None = None,
    validated: Callable[[Mapping[str, float]], None] = lambda entry: None,
) -> TrainingReport:
    """Fits and exports the towers.

    Args:
        examples: the encoded data.
        graph: specification of the encoded columns.
        output: receives `towers/`, `checkpoints/` and `tensorboard/`; None in a worker other than the chief.
        params: settings of the training.
        reference: report of the model that a final fit repeats; None to validate and stop early.
        resume: directory of the state of an interrupted training; see `models.training.run.TrainingPaths`.
        progress: receives steps, validations and results of trials.
        scratch: empty directory for the training events, which are memory-mapped from there.
        start: where to start from; None for random weights.
        validated: called with the curve's entry after each validation; may raise to end the training.

    Raises:
        DataError: there is no training event, or no validation event that could be recommended.
        RefusedError: too many test queries have nothing left to measure.
        ConfigError: TF_CONFIG does not describe the machines, or a batch has too few rows for them.
        DivergedError: the loss, an embedding or a weight became NaN or infinite.
        RunError: this process is the chief without an `output`, or another worker with one.
    """
    began = time.perf_counter()
    strategy = _strategy(params, wants_chief=output is not None)
    prepared = prepare(examples, graph, params, reference=reference, scratch=scratch)
    if start is not None:
        prepared = replace(prepared, spec=start.spec)
    written = scratch if output is None else output.path
    job = _Job(prepared, params, strategy, written, resume or written / "unfinished", progress, start)
    loss = "" if params.training.method == "closed_form" else f", loss {prepared.training.loss.type}"
    progress(f"{len(prepared.events):,} events{loss}")
    fitted = job.fit(reference, validated)
    if output is not None:
        export(fitted, prepared, output)
    return report_of(fitted, prepared, params, seconds=time.perf_counter() - began)


def _strategy(params: Settings, *, wants_chief: bool) -> tf.distribute.Strategy:
    try:
        strategy = build_strategy(params.training.distribution)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if is_chief(strategy) != wants_chief:
        raise RunError("only worker 0 of TF_CONFIG runs the command `run`; the others run `work`")
    return strategy


@dataclass(frozen=True)
class _Job:
    """A training run, apart from the settings that trial runs decide."""

    prepared: Prepared
    params: Settings
    strategy: tf.distribute.Strategy
    written: Path
    unfinished: Path
    progress: Progress
    start: Start | None

    def fit(self, reference: TrainingReport | None, validated: Callable[[Mapping[str, float]], None]) -> Fitted:
        """Fits the recipe that validates best, or the recipe of the reference."""
        params, prepared = self.params, self.prepared
        recipes = recipes_to_try(prepared.spec.features, params.model, params.training)
        if self.start is not None:
            return self.fit_from(self.start, reference, validated)
        if reference is not None:
            return self.fit_again(reference)
        if recipes == ("closed_form",):
            return closed_form(prepared, params, self.progress).fitted(self.written)
        if "closed_form" not in recipes:
            return self.fit_best(recipes, validated)
        closed = closed_form(prepared, params, self.progress)
        trained = self.fit_best([recipe for recipe in recipes if recipe in TRAINED], validated)
        blended = blend(trained, closed, prepared, params, self.progress)
        chosen = best_fit(trained, closed, blended, self.written)
        self.progress(chosen.notes[0])
        return chosen

    def fit_from(
        self, start: Start, reference: TrainingReport | None, validated: Callable[[Mapping[str, float]], None]
    ) -> Fitted:
        """Fits the recipe of the base, starting from it; for as many epochs as the reference if there is one."""
        if start.recipe == "closed_form":
            known = self._known(start)
            found = closed_form(self.prepared, self.params, self.progress, reference=reference, known=known)
            return replace(found.fitted(self.written), started=start.told(NOTHING_BUT_ROWS))
        if reference is not None:
            return self.fit_like(reference, start.recipe)
        return self.fit_trial(start.trial, {}, validated)

    def fit_again(self, reference: TrainingReport) -> Fitted:
        """Fits the recipe of the reference."""
        if reference.recipe in TRAINED:
            return self.fit_like(reference, reference.recipe)
        closed = closed_form(self.prepared, self.params, self.progress, reference=reference)
        if reference.blend is None:
            return closed.fitted(self.written)
        trained = self.fit_like(reference, reference.blend.trained)
        return repeated(trained, closed, reference.blend, self.written)

    def fit_best(self, recipes: Sequence[Recipe], validated: Callable[[Mapping[str, float]], None]) -> Fitted:
        """Trains until validation stops improving, with the best recipe and trial settings for `auto`."""
        validation, training = self.prepared.validation, self.prepared.training
        assert validation is not None
        labels = labels_to_try(
            training,
            split=self.prepared.dataset.metadata.split_method,
            history=self.prepared.spec.features.history is not None,
        )
        space = TrialSpace(recipes, temperatures_to_try(self.params.model, training.loss.type), labels)
        trial, scores = space.first, dict[Trial, float]()
        if not space.is_decided:
            scores = dict(run_trials(space, partial(self._run_trial, validation), self.unfinished, self.progress))
            trial = best_of(scores)
            self.progress(f"training with {trial.described()}")
        return self.fit_trial(trial, scores, validated)

    def fit_trial(self, trial: Trial, scores: Scores, validated: Callable[[Mapping[str, float]], None]) -> Fitted:
        """Trains until validation stops improving."""
        assert self.prepared.validation is not None
        model, batches, carried = self._compiled(trial)
        fit = fit_until_best(
            model,
            batches,
            self.prepared.validation,
            config=self._training(trial),
            paths=self._paths(trial),
            progress=self.progress,
            validated=validated,
            start_counts=carried is not None,
        )
        return self._fitted(model, fit, trial, scores, carried)

    def fit_like(self, reference: TrainingReport, recipe: Recipe) -> Fitted:
        """Trains for as many epochs as the reference, in proportion to the number of events."""
        temperature, kind = self.params.model.temperature, self.params.training.labels
        trial = Trial(
            reference.temperature if temperature == "auto" else temperature,
            reference.labels if kind == "auto" else kind,
            recipe,
        )
        model, batches, carried = self._compiled(trial)
        steps = max(1, round(reference.steps * len(self.prepared.events) / reference.events))
        fit = fit_steps(model, batches, steps=steps, paths=self._paths(trial), progress=self.progress)
        return self._fitted(model, fit, trial, {}, carried)

    def _fitted(self, model: TwoTower, fit: Fit, trial: Trial, scores: Scores, carried: Carried | None) -> Fitted:
        return Fitted(
            recipe=trial.recipe,
            config=trained_model(trial.recipe, self.params.model),
            query_tower=model.query_tower,
            candidate_tower=model.candidate_tower,
            loss=model.loss_name,
            temperature=float(model.temperature),
            labels=trial.labels,
            tried=tried_trials(scores, self.params.training.metric),
            parameters=number_of_weights(model.trainable_variables),
            events=len(self.prepared.events),
            fit=fit,
            started=self.start.told(carried) if self.start is not None and carried is not None else None,
        )

    def _run_trial(self, validation: Validation, trial: Trial) -> float:
        """Returns the validation metric after a short trial run, which `fit_until_best` can continue."""
        model, batches, _ = self._compiled(trial)
        return run_trial(
            model,
            batches,
            validation,
            config=self._training(trial),
            paths=self._paths(trial),
            validations=TRIAL_VALIDATIONS,
            progress=self.progress,
        )

    def _compiled(self, trial: Trial) -> tuple[TwoTower, StepBatches, Carried | None]:
        """Makes the compiled model and its batches, and carries the weights of the base if there is one."""
        tf.keras.utils.set_random_seed(self.params.seed)
        dataset, training = self.prepared.dataset, self._training(trial)
        with self.strategy.scope():
            model = TwoTower(
                self.prepared.spec,
                trained_model(trial.recipe, self.params.model),
                training,
                temperature=trial.temperature,
                ordered=dataset.ordered,
                catalogue=self.prepared.events.candidates,
                train_count=dataset.train_count,
                seed=self.params.seed,
            )
        try:
            batches = build_batches(
                self.prepared.events,
                training.model_copy(update={"labels": trial.labels}),
                seed=self.params.seed,
                sampler=build_sampler(training.negatives, dataset.train_count, seed=self.params.seed),
                negatives_in_batch=model.loss_name != "full_softmax" and model.queue is None and model.miner is None,
            )
        except ValueError as error:  # needs ordered events or a history, which the data lack
            raise DataError(f"training.{error}") from error
        steps = training.max_epochs * batches.steps_per_epoch
        if self.start is None:
            model.compile(optimizer=build_optimizer(training, steps=steps))
            return model, batches, None
        return model, batches, self._carried(model, self.start.base, training, steps=steps)

    def _carried(self, model: TwoTower, base: Base, training: TrainingConfig, *, steps: int) -> Carried:
        """Compiles the model with the weights of the base and the state of its optimiser."""
        events = self.prepared.events
        state = base.optimizer_state(model, moments=MOMENTS[training.optimizer])
        first = 0 if state is None else int(state[0])
        model.compile(optimizer=build_optimizer(training, steps=steps, first=first))
        predicted = base.carry(model, self.prepared.spec, {"query": events.queries, "candidate": events.candidates})
        if state is not None:
            restore_optimizer(model, state)
        return Carried(state is not None, predicted)

    @staticmethod
    def _known(start: Start) -> Known:
        """What is kept of a base in closed form."""
        rows = start.base.alignments["candidate", CANDIDATE_ID]
        return Known(start.form, rows.known_rows(vectors_of(*start.base.towers())))

    def _training(self, trial: Trial) -> TrainingConfig:
        """The settings of the steps of a trial's recipe."""
        training = schedule(trial.recipe, self.prepared.training, events=len(self.prepared.events))
        return training if self.start is None else self.start.training(training)

    def _paths(self, trial: Trial) -> TrainingPaths:
        return TrainingPaths(self.written, self.unfinished, trial=str(trial))
