"""What the Trainer does: arrays out of the artifacts, a fit, an export."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from components.trainer.trials import Scores, best_of, run_trials
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.dataset.held_out import held_out, notes, refuse_unmeasured
from dataplane.dataset.sequences import Dataset, Events, Split, read_dataset
from dataplane.errors import ConfigError, DataError, DivergedError, RunError
from models.events.ranges import query_ranges
from models.negatives.negatives import build_sampler
from models.ranking.ranking import CandidateLists
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import EncodedSpec
from models.spec.trials import TRIAL_VALIDATIONS, Trial, labels_to_try, temperatures_to_try
from models.towers.export import export_towers
from models.training.batches import StepBatches, TrainingData
from models.training.distribution import TooFewRowsError, build_strategy, is_chief
from models.training.loop import Fit, TrainingPaths, fit_steps, fit_until_best, run_trial
from models.training.optimizers import build_optimizer
from models.training.two_tower import TwoTower, resolve_auto
from models.training.validation import Validation
from models.training.windows import build_batches


class Settings(Protocol):
    """The Trainer's parameters that decide the fit."""

    @property
    def model(self) -> ModelConfig:
        """The towers."""

    @property
    def training(self) -> TrainingConfig:
        """How they are fitted."""

    @property
    def remove_seen(self) -> bool:
        """Whether validation leaves out what a query has seen."""

    @property
    def max_unmeasured_fraction(self) -> float:
        """Share of the test queries that may have nothing left to measure."""

    @property
    def seed(self) -> int:
        """Decides everything random."""


@contextmanager
def _as_run_errors() -> Iterator[None]:
    """Turns what models raise about settings and data that do not suit into errors for the user."""
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
    reference: Mapping[str, Any] | None,
    resume: Path | None,
    progress: Callable[[str], None],
    scratch: Path,
    validated: Callable[[Mapping[str, float]], None] = lambda entry: None,
) -> dict[str, Any]:
    """Fits and exports the towers.

    Args:
        examples: the data.
        graph: its `spec.json` says what the columns are.
        output: gets `towers/`, `checkpoints/` and `tensorboard/`; None in a worker other than the chief.
        params: the settings.
        reference: `training.json` of the model a final fit follows; None to validate and stop early.
        resume: where an interrupted training left off, or will; see `models.training.loop`.
        progress: takes lines.
        scratch: an empty directory, where the training events are written and memory-mapped from.
        validated: takes the curve's entry after each validation; may raise to end the training.

    Returns:
        The content of `training.json`.

    Raises:
        DataError: there are no training events, or nothing to validate on.
        RefusedError: most test queries would have nothing left to measure.
        ConfigError: the environment does not say which machines there are, or a batch has too few rows for them.
        DivergedError: the loss, an embedding or a weight is not a number any more.
        RunError: this process is another worker than its `output` says.
    """
    start = time.perf_counter()
    try:
        strategy = build_strategy(params.training.distribution)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if is_chief(strategy) != (output is not None):
        raise RunError("`run` is the command of worker 0 of TF_CONFIG alone; the others have `work`")
    dataset, spec = read_dataset(examples), EncodedSpec.model_validate(graph.read_json("spec.json"))
    # What stays in memory is 4 bytes an event for the order, and 4 for each candidate that a query knows.
    aged = params.model.example_age or params.training.examples.type == "recent"
    kept = dataset.events if aged else replace(dataset.events, timestamp=None)
    events = kept.select(["train"], into=scratch)
    data = event_data(events, dataset, spec, use_weights=params.training.use_weights)
    if len(data) == 0:
        raise DataError("the split leaves no training event: use more data, or a split with smaller held-out parts")
    if reference is None:
        refuse_unmeasured(dataset, remove_seen=params.remove_seen, max_fraction=params.max_unmeasured_fraction)
    validation = None if reference else validation_of(dataset, spec, params)
    if aged:
        data = replace(data, age=_days_before_newest(events))
    training = resolve_auto(params.model, params.training, events=len(data), candidates=len(dataset.candidates))
    written = scratch if output is None else output.path
    job = _Job(spec, dataset, data, params, training, strategy, written, resume or written / "unfinished", progress)
    progress(f"{len(data)} events, loss {training.loss.type}")
    scores: Scores = {}
    if validation is not None:
        split = dataset.metadata.get("split", {}).get("method")
        temperatures = temperatures_to_try(params.model, training.loss.type)
        labels = labels_to_try(training, split=split, history=spec.features.history is not None)
        trial = Trial(temperatures[0], labels[0])
        if len(temperatures) * len(labels) > 1:
            scores = run_trials(temperatures, labels, partial(job.run_trial, validation), job.unfinished, progress)
            trial = best_of(scores)
        model, fit = job.fit_until_best(trial, validation, validated)
    else:
        assert reference is not None
        temperature, kind = params.model.temperature, params.training.labels
        trial = Trial(
            reference["temperature"] if temperature == "auto" else temperature,
            reference["labels"] if kind == "auto" else kind,
        )
        model, fit = job.fit_like(reference, trial)
    if output is not None:
        towers = output.path / "towers"
        export_towers(
            spec, model.query_tower, model.candidate_tower, towers, config=params.model, ordered=dataset.ordered
        )
    return {
        "steps": fit.steps,
        "events": len(data),
        "batch_size": fit.batch_size,
        "loss": model.loss_name,
        "temperature": float(model.temperature),
        "labels": trial.labels,
        "tried": [{**asdict(tried), params.training.metric: score} for tried, score in scores.items()],
        "metric": params.training.metric,
        "validation": fit.validation,
        "validation_queries": len(validation.relevant) if validation else 0,
        "notes": _notes(dataset, params) if validation else [],
        "embedding_dim": params.model.embedding_dim + params.model.popularity_bias,
        "parameters": int(sum(np.prod(variable.shape) for variable in model.trainable_variables)),
        "seconds": round(time.perf_counter() - start, 3),
        "milliseconds_per_step": round(1000 * fit.seconds_per_step, 3),
        "curve": fit.curve,
    }


@dataclass(frozen=True)
class _Job:
    """All of a training but what trials decide."""

    spec: EncodedSpec
    dataset: Dataset
    data: TrainingData
    params: Settings
    training: TrainingConfig
    strategy: tf.distribute.Strategy
    written: Path
    unfinished: Path
    progress: Callable[[str], None]

    def run_trial(self, validation: Validation, trial: Trial) -> float:
        """Returns the validation metric after a short trial run, which `fit_until_best` can continue."""
        model, batches = self._prepared(trial)
        return run_trial(
            model,
            batches,
            validation,
            config=self.params.training,
            paths=self._paths(trial),
            validations=TRIAL_VALIDATIONS,
            progress=self.progress,
        )

    def fit_until_best(
        self, trial: Trial, validation: Validation, validated: Callable[[Mapping[str, float]], None]
    ) -> tuple[TwoTower, Fit]:
        """A training that validation ends."""
        model, batches = self._prepared(trial)
        fit = fit_until_best(
            model,
            batches,
            validation,
            config=self.params.training,
            paths=self._paths(trial),
            progress=self.progress,
            validated=validated,
        )
        return model, fit

    def fit_like(self, reference: Mapping[str, Any], trial: Trial) -> tuple[TwoTower, Fit]:
        """A training of as many passes over the events as the reference made over its own."""
        model, batches = self._prepared(trial)
        steps = max(1, round(reference["steps"] * len(self.data) / reference["events"]))
        return model, fit_steps(model, batches, steps=steps, paths=self._paths(trial), progress=self.progress)

    def _prepared(self, trial: Trial) -> tuple[TwoTower, StepBatches]:
        """The model, compiled, and its batches."""
        tf.keras.utils.set_random_seed(self.params.seed)
        with self.strategy.scope():
            model = TwoTower(
                self.spec,
                self.params.model,
                self.training,
                temperature=trial.temperature,
                ordered=self.dataset.ordered,
                catalogue=self.data.candidates,
                train_count=self.dataset.train_count,
                seed=self.params.seed,
            )
        try:
            batches = build_batches(
                self.data,
                self.training.model_copy(update={"labels": trial.labels}),
                seed=self.params.seed,
                sampler=build_sampler(self.training.negatives, self.dataset.train_count, seed=self.params.seed),
                negatives_in_batch=model.loss_name != "full_softmax" and model.queue is None and model.miner is None,
            )
        except ValueError as error:  # asks for an order or a history that the data have not
            raise DataError(f"training.{error}") from error
        steps = self.params.training.max_epochs * batches.steps_per_epoch
        model.compile(optimizer=build_optimizer(self.params.training, steps=steps))
        return model, batches

    def _paths(self, trial: Trial) -> TrainingPaths:
        return TrainingPaths(self.written, self.unfinished, trial=str(trial))


def event_data(
    events: Events, dataset: Dataset, spec: EncodedSpec, *, use_weights: bool, queries: np.ndarray | None = None
) -> TrainingData:
    """Events, with the columns the towers read.

    Args:
        events: what is learnt from or looked back on.
        dataset: what is known of their queries and candidates.
        spec: which columns there are.
        use_weights: whether the events' weights count.
        queries: which queries the events are of; all, in their order, if absent.

    Raises:
        DataError: the events have no positive weight.
    """
    weight = events.weight if use_weights else None
    if weight is not None and len(weight) and not (weight.min() >= 0 and weight.max() > 0):
        raise DataError(
            f"event weights have to be 0 or more, some of them above 0; they go from {weight.min()} to {weight.max()}. "
            f"Correct the weight column, or set training.use_weights: false"
        )
    of_queries = {name: dataset.queries.columns[name] for name in spec.query}
    return TrainingData(
        offsets=np.asarray(events.offsets),
        candidate=np.asarray(events.candidate),
        weight=weight,
        context={name: events.context[name] for name in spec.context},
        queries=of_queries if queries is None else {name: values[queries] for name, values in of_queries.items()},
        candidates={name: dataset.candidates.columns[name] for name in spec.candidate},
        ordered=dataset.ordered,
        history_length=None if spec.features.history is None else spec.features.history.max_length,
    )


def validation_of(dataset: Dataset, spec: EncodedSpec, params: Settings) -> Validation:
    """The validation events as what is to be found after everything earlier that is known of the query.

    That is its training events, or the `history` of a query held out as a whole. A query with several validation
    events is asked once, in the context of the first.

    Raises:
        DataError: no query has a validation event that could be recommended.
    """
    queries, candidates = _targets(dataset, enough=params.training.validation_queries, remove_seen=params.remove_seen)
    # Queries are stored in the order of a hash, so the first ones are a random sample.
    chosen = np.unique(queries)[: params.training.validation_queries]
    if len(chosen) == 0:
        raise DataError(
            "no validation event is left to choose the model by: use more data or a split with a larger validation "
            "part; where queries come back to what they have seen, set remove_seen: false"
        )
    events = dataset.events.take(chosen)
    data = event_data(events.select(_KNOWN), dataset, spec, use_weights=False, queries=chosen)
    kept = queries <= chosen[-1]
    sizes = np.bincount(np.searchsorted(chosen, queries[kept]), minlength=len(chosen))
    asked = events.select(["validation"])
    context = {name: asked.context[name][asked.offsets[:-1]] for name in data.context}
    known = CandidateLists(data.offsets, data.candidate)
    return Validation(
        queries=data.query_inputs(np.arange(len(chosen)), context),
        candidates=data.candidates,
        relevant=CandidateLists(_offsets(sizes), candidates[kept]),
        excluded=known if params.remove_seen else CandidateLists.empty(len(chosen)),
    )


def _notes(dataset: Dataset, params: Settings) -> list[str]:
    return notes("validation", held_out(dataset, "validation", remove_seen=params.remove_seen).to_json())


_KNOWN: tuple[Split, ...] = ("train", "history")


def _targets(dataset: Dataset, *, enough: int, remove_seen: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (query, candidate) pairs of the validation events of at least the first `enough` queries that have some.

    In this order, and without those seen before where they are to be removed.
    """
    catalogue, found, queries = len(dataset.candidates), [np.empty(0, np.int64)], 0
    for first, last in query_ranges(dataset.events.offsets):
        events = dataset.events.bare().take(np.arange(first, last))
        pairs = np.unique(events.select(["validation"]).pairs(catalogue))
        if remove_seen:
            pairs = np.setdiff1d(pairs, events.select(_KNOWN).pairs(catalogue))
        found.append(pairs + first * catalogue)
        queries += len(np.unique(pairs // catalogue))
        if queries >= enough:
            break
    of_query, candidates = np.divmod(np.concatenate(found), catalogue)
    return of_query, candidates


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _days_before_newest(events: Events) -> np.ndarray:
    if events.timestamp is None:
        raise DataError("model.example_age and training.examples: recent need events with a timestamp")
    days: np.ndarray = ((events.timestamp.max() - events.timestamp) / 86_400e6).astype(np.float32)
    return days
