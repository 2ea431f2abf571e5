"""What the Trainer learns from and validates on, as arrays out of the artifacts."""

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
    """The data of a training.

    Attributes:
        dataset: the encoded data.
        spec: the encoded columns.
        events: the training events.
        validation: what chooses the weights; None for a final fit.
        training: the settings, with what `loss: auto` stands for on these data.
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
    """Opens the data of a training.

    Args:
        examples: the encoded data.
        graph: has the encoded columns.
        params: the settings.
        reference: of the model a final fit follows, which validates nothing.
        scratch: an empty directory, where the training events are written and memory-mapped from.

    Raises:
        DataError: there are no training events, or nothing to validate on.
        RefusedError: most test queries would have nothing left to measure.
    """
    dataset, spec = read_dataset(examples), read_spec(graph)
    # What stays in memory is 4 bytes an event for the order, and 4 for each candidate that a query knows.
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
        relevant=CandidateLists(offsets_of(sizes), candidates[kept]),
        excluded=known if params.remove_seen else CandidateLists.empty(len(chosen)),
    )


def _targets(dataset: Dataset, *, enough: int, remove_seen: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (query, candidate) pairs of the validation events of at least the first `enough` queries that have some.

    In this order, and without those seen before where they are to be removed.
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
