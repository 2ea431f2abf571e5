"""Training batches, gathered from flat arrays. A batch is a function of (seed, step) alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np

from models.events.history import PADDING, windows_around, windows_before
from models.events.ranges import distinct_candidates
from models.negatives.negatives import NegativeSampler
from models.ragged import concatenate_ranges
from models.spec.examples_config import EVERY_EVENT, ExamplesConfig
from models.spec.features import CANDIDATE_ID, EXAMPLE_AGE, HISTORY
from models.training.examples import epoch_events

Columns: TypeAlias = Mapping[str, np.ndarray]
Batch: TypeAlias = dict[str, Any]

NOTHING_KNOWN = (np.empty(0, np.int32), np.empty(0, np.int32))
"""`known_row` and `known` of a batch whose known positives are not masked."""

_HISTORY_ENDS = 1
"""Separates the random history ends from other random numbers with the same seed."""


@dataclass(frozen=True)
class TrainingData:
    """Training events with the features of their queries and candidates.

    Attributes:
        offsets: events of query `q` are `offsets[q]:offsets[q + 1]`, oldest first, int64 `[queries + 1]`.
        candidate: candidate row of every event, int32 `[events]`.
        weight: weight of every event, float32 `[events]`; None if all weigh the same.
        context: encoded context columns of the events, each `[events, width]`.
        queries: encoded columns of the queries, each `[queries, width]`.
        candidates: encoded columns of the candidates, each `[candidates, width]`.
        ordered: whether the events of a query are ordered by time; otherwise they are a bag.
        history_length: number of events that the query tower reads; None for a tower without history.
        age: days from each event to the newest one, float32 `[events]`; None if not needed.
    """

    offsets: np.ndarray
    candidate: np.ndarray
    weight: np.ndarray | None
    context: Columns
    queries: Columns
    candidates: Columns
    ordered: bool
    history_length: int | None
    age: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.candidate)

    def history(self, queries: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """History tokens int32 `[rows, history_length]`, most recent first, 0-padded.

        Args:
            queries: query of each row, `[rows]`.
            labels: event that each row has to predict, `[rows]`. If events are ordered, the history has the events
                before the label; otherwise it has all other events of the query. None: all events of the query.

        Raises:
            ValueError: the query tower has no history.
        """
        if self.history_length is None:
            raise ValueError("the query tower of this data has no history")
        starts, ends = self.offsets[queries], self.offsets[queries + 1]
        if labels is not None and not self.ordered:
            rows = windows_around(self.candidate, starts, ends, labels, self.history_length)
        else:
            rows = windows_before(self.candidate, starts, ends if labels is None else labels, self.history_length)
        tokens = self.candidates[CANDIDATE_ID][:, 0]
        return np.where(rows == PADDING, 0, tokens[np.maximum(rows, 0)]).astype(np.int32)

    def columns_of(self, queries: np.ndarray, events: np.ndarray) -> Batch:
        """Query, context and age columns of events, one event per row, without the history.

        Args:
            queries: query of each row, `[rows]`.
            events: event of each row, `[rows]`.
        """
        columns = {name: values[queries] for name, values in self.queries.items()}
        columns |= {name: values[events] for name, values in self.context.items()}
        return columns if self.age is None else columns | {EXAMPLE_AGE: self.age[events, None]}

    def query_inputs(self, queries: np.ndarray, context: Columns) -> Batch:
        """Inputs of the query tower after all events of each query, by column.

        Args:
            queries: query of each row, `[rows]`.
            context: encoded context columns of the rows, each `[rows, width]`.
        """
        inputs: Batch = {name: values[queries] for name, values in self.queries.items()} | dict(context)
        if self.history_length is not None:
            inputs[HISTORY] = self.history(queries)
        return inputs


class StepBatches(ABC):
    """Base of training batches. A batch is a function of the step and has `batch_size` labels.

    Attributes:
        batch_size: labels per batch.
        steps_per_epoch: batches per epoch.
    """

    batch_size: int
    steps_per_epoch: int

    def __init__(
        self, data: TrainingData, sampler: NegativeSampler | None, *, negatives_in_batch: bool, mask_known: bool
    ) -> None:
        """Takes the arguments that subclasses share; `Batches` describes them.

        Raises:
            ValueError: there are no events.
        """
        if len(data) == 0:
            raise ValueError("there are no training events")
        self._data = data
        self._sampler = sampler
        self._negatives_in_batch = negatives_in_batch
        self._mask_known = mask_known

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""

    def from_step(self, step: int) -> Iterator[Batch]:
        """Endless batches from `step` on."""
        while True:
            yield self.batch(step)
            step += 1

    def _drawn(self, step: int) -> np.ndarray:
        """Candidates drawn for a step, int32 `[draws]`; empty without a sampler."""
        return np.empty(0, np.int32) if self._sampler is None else self._sampler.draw(step)

    def _labelled(self, events: np.ndarray, drawn: np.ndarray) -> Batch:
        """The entries common to every kind of batch: labels, their weights and columns, and the drawn candidates."""
        data = self._data
        label = data.candidate[events].astype(np.int32)
        batch: Batch = {
            "candidate": {name: values[label] for name, values in data.candidates.items()},
            "label": label,
            "weight": np.ones(len(events), np.float32) if data.weight is None else data.weight[events],
        }
        if self._sampler is not None:
            batch["drawn"] = {name: values[drawn] for name, values in data.candidates.items()}
            batch["drawn_row"] = drawn
        return batch

    def _competing(
        self, owner: np.ndarray, known: np.ndarray, label: np.ndarray, drawn: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keeps only the known candidates that the loss compares with, each with its owner."""
        if not self._negatives_in_batch:
            return owner, known
        present = np.isin(known, np.concatenate([label, drawn]))
        return owner[present], known[present]


class Batches(StepBatches):
    """Batches of training events in a seeded order, with a new permutation every epoch.

    Events that do not fill a batch at the end of an epoch are left out of that epoch. A `sampler` adds negatives to
    each batch.

    Attributes:
        batch_size: events per batch; fewer than requested only if there are fewer events.
        steps_per_epoch: batches per epoch.
    """

    def __init__(
        self,
        data: TrainingData,
        *,
        batch_size: int,
        seed: int,
        sampler: NegativeSampler | None = None,
        negatives_in_batch: bool = False,
        mask_known: bool = True,
        examples: ExamplesConfig = EVERY_EVENT,
        later: bool = False,
    ) -> None:
        """Computes the order of the first epoch and the known candidates of each query.

        Args:
            data: the events.
            batch_size: events per batch.
            seed: decides the order.
            sampler: draws candidates that are added to each batch, if given.
            negatives_in_batch: whether the loss compares only with candidates of the batch, including the drawn ones.
                `known` then leaves out all others.
            mask_known: whether batches list known candidates at all.
            examples: events of an epoch; `sequences` is in `models.training.windows`.
            later: whether a history ends at a random place before its label instead of right before it.

        Raises:
            ValueError: there are no events, or `later` is set without ordered events or without a history.
        """
        super().__init__(data, sampler, negatives_in_batch=negatives_in_batch, mask_known=mask_known)
        if later and (not data.ordered or data.history_length is None):
            raise ValueError("labels: later needs ordered events and a history")
        self._seed, self._later = seed, later
        order = partial(epoch_events, examples, data.offsets, data.age, seed=seed)
        self._order = lru_cache(maxsize=1)(lambda epoch: order(epoch=epoch))
        self._known_offsets, self._known_candidates = distinct_candidates(data.offsets, data.candidate)
        epoch_size = len(self._order(0))
        self.batch_size = min(batch_size, epoch_size)
        self.steps_per_epoch = epoch_size // self.batch_size

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs.

        Returns:
            `query` and `candidate`: dicts of columns `[batch, width]`.
            `label`: candidate row, int32 `[batch]`.
            `weight`: float32 `[batch]`.
            `known`: the other training candidates of each row's query, without repeats, as candidate rows, int32
            `[pairs]`, and `known_row`: the row they belong to, int32 `[pairs]`, ascending.
            With a sampler also `drawn`: columns `[draws, width]` of the drawn candidates, and `drawn_row`: their
            candidate rows, int32 `[draws]`.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        events = self._order(epoch)[position * self.batch_size : (position + 1) * self.batch_size]
        data = self._data
        queries = np.searchsorted(data.offsets, events, side="right") - 1
        drawn = self._drawn(step)
        batch = self._labelled(events, drawn)
        known_row, known = self._known(queries, batch["label"], drawn) if self._mask_known else NOTHING_KNOWN
        query = data.columns_of(queries, events)
        if data.history_length is not None:
            query[HISTORY] = data.history(queries, self._ends(step, queries, events) if self._later else events)
        return batch | {"query": query, "known_row": known_row, "known": known}

    def _ends(self, step: int, queries: np.ndarray, events: np.ndarray) -> np.ndarray:
        """Random end of the history of each event, uniform over the query's events up to the label itself."""
        random = np.random.default_rng([self._seed, step, _HISTORY_ENDS])
        ends: np.ndarray = random.integers(self._data.offsets[queries], events, endpoint=True)
        return ends

    def _known(self, queries: np.ndarray, label: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # A query with very many events may fill much of a batch, so its known candidates are looked up only once.
        distinct, group = np.unique(queries, return_inverse=True)
        owner, positions = concatenate_ranges(self._known_offsets[distinct], self._known_offsets[distinct + 1])
        owner, candidates = self._competing(owner, self._known_candidates[positions], label, drawn)
        offsets = np.searchsorted(owner, np.arange(len(distinct) + 1))
        row, positions = concatenate_ranges(offsets[group], offsets[group + 1])
        known = candidates[positions]
        other = known != label[row]
        return row[other].astype(np.int32), known[other]
