"""What the Trainer does: arrays out of the artifacts, a fit, an export."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from components.artifacts import Model, TransformedExamples, TransformGraph
from components.errors import DataError, RunError
from components.sequences import Dataset, Events, Split, read_dataset
from models.batches import TrainingData, query_ranges
from models.config import ModelConfig, TrainingConfig
from models.distribution import build_strategy, is_chief
from models.export import export_towers
from models.features import EncodedSpec
from models.negatives import build_sampler
from models.optimizers import build_optimizer
from models.ranking import CandidateLists
from models.training import Places, fit_steps, fit_until_best
from models.two_tower import TwoTower, resolve_auto
from models.validation import Validation
from models.windows import build_batches


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
    def seed(self) -> int:
        """Decides everything random."""


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
        resume: where an interrupted training left off, or will; see `models.training`.
        progress: takes lines.
        scratch: an empty directory, where the training events are written and memory-mapped from.
        validated: takes the curve's entry after each validation; may raise to end the training.

    Returns:
        The content of `training.json`.

    Raises:
        DataError: there are no training events, or nothing to validate on.
        RunError: this process is another worker than its `output` says.
        FloatingPointError: the loss is not a number any more.
    """
    start = time.perf_counter()
    strategy = build_strategy(params.training.distribution)
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
    validation = None if reference else validation_of(dataset, spec, params)
    if aged:
        data = replace(data, age=_days_before_newest(events))
    tf.keras.utils.set_random_seed(params.seed)
    training = resolve_auto(params.model, params.training, events=len(data), candidates=len(dataset.candidates))
    with strategy.scope():
        model = _model(spec, dataset, data, params, training)
    batches = build_batches(
        data,
        training,
        seed=params.seed,
        sampler=build_sampler(training.negatives, dataset.train_count, seed=params.seed),
        negatives_in_batch=model.loss_name != "full_softmax" and model.queue is None and model.miner is None,
    )
    steps = params.training.max_epochs * batches.steps_per_epoch
    model.compile(optimizer=build_optimizer(params.training, steps=steps))
    progress(f"{len(data)} events, {batches.steps_per_epoch} steps an epoch, loss {model.loss_name}")
    written = scratch if output is None else output.path
    places = Places(written, resume or written / "unfinished")
    if validation is not None:
        fit = fit_until_best(
            model,
            batches,
            validation,
            config=params.training,
            places=places,
            progress=progress,
            validated=validated,
        )
    else:
        steps = _steps_like(reference, events=len(data))
        fit = fit_steps(model, batches, steps=steps, places=places, progress=progress)
    if output is not None:
        export_towers(spec, model.query_tower, model.candidate_tower, output.path / "towers")
    return {
        "steps": fit.steps,
        "events": len(data),
        "batch_size": batches.batch_size,
        "loss": model.loss_name,
        "metric": params.training.metric,
        "validation": fit.validation,
        "validation_queries": len(validation.relevant) if validation else 0,
        "embedding_dim": params.model.embedding_dim + params.model.popularity_bias,
        "parameters": int(sum(np.prod(variable.shape) for variable in model.trainable_variables)),
        "seconds": round(time.perf_counter() - start, 3),
        "milliseconds_per_step": round(1000 * fit.seconds_per_step, 3),
        "curve": fit.curve,
    }


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


_KNOWN: tuple[Split, ...] = ("train", "history")


def _targets(dataset: Dataset, *, enough: int, remove_seen: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (query, candidate) pairs of the validation events of at least the first `enough` queries that have some.

    In this order, and without those seen before where they are to be removed.
    """
    catalogue, found, queries = len(dataset.candidates), [np.empty(0, np.int64)], 0
    for first, last in query_ranges(dataset.events.offsets):
        events = dataset.events.bare().take(np.arange(first, last))
        pairs = np.unique(_pairs(events.select(["validation"]), catalogue))
        if remove_seen:
            pairs = np.setdiff1d(pairs, _pairs(events.select(_KNOWN), catalogue))
        found.append(pairs + first * catalogue)
        queries += len(np.unique(pairs // catalogue))
        if queries >= enough:
            break
    of_query, candidates = np.divmod(np.concatenate(found), catalogue)
    return of_query, candidates


def _pairs(events: Events, catalogue: int) -> np.ndarray:
    pairs: np.ndarray = events.queries() * catalogue + events.candidate
    return pairs


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _model(
    spec: EncodedSpec, dataset: Dataset, data: TrainingData, params: Settings, training: TrainingConfig
) -> TwoTower:
    return TwoTower(
        spec,
        params.model,
        training,
        ordered=dataset.ordered,
        catalogue=data.candidates,
        train_count=dataset.train_count,
        seed=params.seed,
    )


def _days_before_newest(events: Events) -> np.ndarray:
    if events.timestamp is None:
        raise DataError("model.example_age and training.examples: recent need events with a timestamp")
    days: np.ndarray = ((events.timestamp.max() - events.timestamp) / 86_400e6).astype(np.float32)
    return days


def _steps_like(reference: Mapping[str, Any] | None, *, events: int) -> int:
    """As many passes over the events as the reference made over its own."""
    assert reference is not None
    steps: int = round(reference["steps"] * events / reference["events"])
    return max(1, steps)
