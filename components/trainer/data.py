"""Opens the training and validation data of the Trainer as arrays."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.trainer.settings import Settings
from dataplane.artifacts import TransformedExamples, TransformGraph
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.transform_graph import read_spec
from dataplane.dataset.held_out import refuse_unmeasured
from dataplane.dataset.sequences import Dataset, Events, Split, read_dataset
from dataplane.errors import DataError
from models.ragged import offsets_of, row_ranges
from models.ranking.ranking import CandidateLists
from models.spec.config import TrainingConfig
from models.spec.features import EncodedSpec
from models.training.batches import TrainingData
from models.training.two_tower import resolve_auto
from models.training.validation import Validation

_KNOWN: tuple[Split, ...] = ("train", "history")


@dataclass(frozen=True)
class Prepared:
    """Data of a training run.

    Attributes:
        dataset: the encoded data.
        spec: the encoded columns.
        events: the training events.
        validation: task that chooses the weights; None for a final fit.
        training: the settings, with `loss: auto` resolved for these data.
    """

    dataset: Dataset
    spec: EncodedSpec
    events: TrainingData
    validation: Validation | None
    training: TrainingConfig


def prepare(
    examples: TransformedExamples,
    graph: TransformGraph,
    params: Settings,
    *,
    reference: TrainingReport | None,
    scratch: Path,
) -> Prepared:
    """Opens the data of a training run.

    Args:
        examples: the encoded data.
        graph: specification of the encoded columns.
        params: settings of the training.
        reference: report of the model that a final fit repeats; a final fit has no validation. None otherwise.
        scratch: empty directory for the training events, which are memory-mapped from there.

    Raises:
        DataError: there is no training event, or no validation event that could be recommended.
        RefusedError: too many test queries have nothing left to measure.
    """
    dataset, spec = read_dataset(examples), read_spec(graph)
    # In memory stay 4 bytes per event for the order, and 4 bytes for each candidate that a query has seen.
    aged = params.model.example_age or params.training.examples.type == "recent"
    kept = dataset.events if aged else replace(dataset.events, timestamp=None)
    events = kept.select(["train"], into=scratch)
    data = event_data(events, dataset, spec, use_weights=params.training.use_weights)
    if len(data) == 0:
        raise DataError("the split leaves no training event: use more data, or a split with smaller held-out parts")
    validation = None
    if reference is None:
        refuse_unmeasured(dataset, remove_seen=params.remove_seen, max_fraction=params.max_unmeasured_fraction)
        validation = validation_of(dataset, spec, params)
    if aged:
        data = replace(data, age=_days_before_newest(events))
    training = resolve_auto(params.model, params.training, events=len(data), candidates=len(dataset.candidates))
    return Prepared(dataset, spec, data, validation, training)


def event_data(
    events: Events, dataset: Dataset, spec: EncodedSpec, *, use_weights: bool, queries: np.ndarray | None = None
) -> TrainingData:
    """Combines events with the columns that the towers read.

    Args:
        events: events to train on, or histories.
        dataset: columns of the queries and candidates.
        spec: the encoded columns.
        use_weights: whether the weights of the events count.
        queries: query rows of the events; None for all queries in order.

    Raises:
        DataError: a weight is negative, or no weight is positive.
    """
    weight = events.weight if use_weights else None
    if weight is not None and len(weight) and not (weight.min() >= 0 and weight.max() > 0):
        raise DataError(
            f"event weights must be at least 0, and some above 0; they range from {weight.min()} to {weight.max()}. "
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
    """Builds the validation task: predict each query's validation events from its earlier ones.

    The earlier events are the training events, or the `history` of a query that is held out as a whole. A query with
    several validation events is one query of the task, with the context of its first validation event.

    Raises:
        DataError: no query has a validation event that could be recommended.
    """
    queries, candidates = _targets(dataset, enough=params.training.validation_queries, remove_seen=params.remove_seen)
    # Queries are stored in hash order, so the first ones are a random sample.
    chosen = np.unique(queries)[: params.training.validation_queries]
    if len(chosen) == 0:
        raise DataError(
            "no validation event is left to choose the model by: use more data, or a split with a larger validation "
            "part; if queries choose the same candidates repeatedly, set remove_seen: false"
        )
    events = dataset.events.take(chosen)
    data = event_data(events.select(_KNOWN), dataset, spec, use_weights=False, queries=chosen)
    kept = queries <= chosen[-1]
    sizes = np.bincount(np.searchsorted(chosen, queries[kept]), minlength=len(chosen))
    held_out = events.select(["validation"])
    context = {name: held_out.context[name][held_out.offsets[:-1]] for name in data.context}
    known = CandidateLists(data.offsets, data.candidate)
    return Validation(
        queries=data.query_inputs(np.arange(len(chosen)), context),
        candidates=data.candidates,
        relevant=CandidateLists(offsets_of(sizes), candidates[kept]),
        excluded=known if params.remove_seen else CandidateLists.empty(len(chosen)),
    )


def _targets(dataset: Dataset, *, enough: int, remove_seen: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (query, candidate) pairs of the validation events, sorted, for at least the first `enough` queries.

    Queries without such pairs do not count. With `remove_seen`, candidates seen earlier are left out. A pair is handled
    as one number: with 10 candidates, query 2 and candidate 7 are 27, so that set operations work on plain arrays.
    """
    catalogue, found, queries = len(dataset.candidates), [np.empty(0, np.int64)], 0
    for first, last in row_ranges(dataset.events.offsets):
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


def _days_before_newest(events: Events) -> np.ndarray:
    if events.timestamp is None:
        raise DataError("model.example_age and training.examples: recent need events with a timestamp")
    days: np.ndarray = ((events.timestamp.max() - events.timestamp) / 86_400e6).astype(np.float32)
    return days
