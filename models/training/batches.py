"""Training batches, gathered whole from flat arrays; a batch is a function of (seed, step) alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np

from models.events.history import PADDING, windows_around, windows_before
from models.events.ranges import concatenate_ranges, distinct_candidates
from models.negatives.negatives import NegativeSampler
from models.spec.examples_config import EVERY_EVENT, ExamplesConfig
from models.spec.features import CANDIDATE_ID, EXAMPLE_AGE, HISTORY
from models.training.examples import epoch_events

Columns: TypeAlias = Mapping[str, np.ndarray]
Batch: TypeAlias = dict[str, Any]

NOTHING_KNOWN = (np.empty(0, np.int32), np.empty(0, np.int32))
"""`known_row` and `known` of a batch whose queries are not to tell what they know."""

_ENDS = 1
"""Tells the random numbers of where histories end from others of the same seed."""


@dataclass(frozen=True)
class TrainingData:
    """Training events and what is known of their queries and candidates.

    Attributes:
        offsets: events of query `q` are `offsets[q]:offsets[q + 1]`, oldest first, int64 `[queries + 1]`.
        candidate: candidate row of every event, int32 `[events]`.
        weight: float32 `[events]`, or None where all count alike.
        context: encoded columns of the events, each `[events, width]`.
        queries: encoded columns of the queries, each `[queries, width]`.
        candidates: encoded columns of the candidates, each `[candidates, width]`.
        ordered: whether a query's events are in the order of time, or a bag.
        history_length: how far the query tower looks back; None for a tower without history.
        age: days from each event to the newest one, float32 `[events]`; None where nothing asks for it.
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
            labels: event each row has to predict, `[rows]`: of ordered events those before it are seen, of a bag all
                others. None: all events of the query are seen.
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
        """Columns of these queries and of the contexts and ages of these events, one event a row, without history."""
        columns = {name: values[queries] for name, values in self.queries.items()}
        columns |= {name: values[events] for name, values in self.context.items()}
        return columns if self.age is None else columns | {EXAMPLE_AGE: self.age[events, None]}

    def query_inputs(self, queries: np.ndarray, context: Columns) -> Batch:
        """Inputs of the query tower for these queries after all their events, by column.

        Args:
            queries: query of each row, `[rows]`.
            context: encoded context columns of the rows, each `[rows, width]`.
        """
        inputs: Batch = {name: values[queries] for name, values in self.queries.items()} | dict(context)
        if self.history_length is not None:
            inputs[HISTORY] = self.history(queries)
        return inputs


class StepBatches(ABC):
    """What batches of training events share: a batch is a function of the step, of `batch_size` labels.

    Attributes:
        batch_size: labels of a batch.
        steps_per_epoch: batches an epoch.
    """

    batch_size: int
    steps_per_epoch: int

    def __init__(
        self, data: TrainingData, sampler: NegativeSampler | None, *, negatives_in_batch: bool, mask_known: bool
    ) -> None:
        """Takes what a subclass learns from, as `Batches` does.

        Raises:
            ValueError: there are no events.
        """
        if len(data) == 0:
            raise ValueError("there are no training events to make batches of")
        self._data = data
        self._sampler = sampler
        self._negatives_in_batch = negatives_in_batch
        self._mask_known = mask_known

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""

    def from_step(self, step: int) -> Iterator[Batch]:
        """Batches from `step` on, without end."""
        while True:
            yield self.batch(step)
            step += 1

    def _drawn(self, step: int) -> np.ndarray:
        """Candidates that a step draws besides those of its labels."""
        return np.empty(0, np.int32) if self._sampler is None else self._sampler.draw(step)

    def _learnt(self, events: np.ndarray, drawn: np.ndarray) -> Batch:
        """What is told of the events to be predicted and of the drawn candidates, in every kind of batch."""
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
        """Of what the queries know, with the owner of each, what the loss looks at."""
        if not self._negatives_in_batch:
            return owner, known
        present = np.isin(known, np.concatenate([label, drawn]))
        return owner[present], known[present]


class Batches(StepBatches):
    """Batches of training events in a seeded order, a new permutation every epoch.

    What does not fill a batch at the end of an epoch sits that epoch out. A `sampler` adds negatives to each batch.

    Attributes:
        batch_size: events in a batch, fewer than asked for only if there are fewer.
        steps_per_epoch: batches an epoch.
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
        """Prepares the order and what each query knows.

        Args:
            data: the events.
            batch_size: events in a batch.
            seed: of the order.
            sampler: draws candidates that a batch brings along, if any.
            negatives_in_batch: the loss looks at no other candidates than those of the batch, its own and the drawn
                ones, so that of the known ones no others are told.
            mask_known: whether known candidates are told at all.
            examples: which events an epoch takes, but for `sequences`; see `models.training.windows` for these.
            later: a history ends at a random place before its label instead of right before it.

        Raises:
            ValueError: there are no events, or `later` finds no order or no history.
        """
        super().__init__(data, sampler, negatives_in_batch=negatives_in_batch, mask_known=mask_known)
        if later and (not data.ordered or data.history_length is None):
            raise ValueError("labels: later needs events in order and a history")
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
            `query` and `candidate`: dicts of columns `[batch, width]`; `label`: candidate row int32 `[batch]`;
            `weight`: float32 `[batch]`; `known`: every other training candidate of each row's query, once, as
            candidate rows int32 `[pairs]`, with `known_row` int32 `[pairs]`, ascending, saying whose they are. With a
            sampler also `drawn`: columns `[draws, width]` of the drawn candidates, and `drawn_row`: which they are,
            int32 `[draws]`.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        events = self._order(epoch)[position * self.batch_size : (position + 1) * self.batch_size]
        data = self._data
        queries = np.searchsorted(data.offsets, events, side="right") - 1
        drawn = self._drawn(step)
        batch = self._learnt(events, drawn)
        known_row, known = self._known(queries, batch["label"], drawn) if self._mask_known else NOTHING_KNOWN
        query = data.columns_of(queries, events)
        if data.history_length is not None:
            query[HISTORY] = data.history(queries, self._ends(step, queries, events) if self._later else events)
        return batch | {"query": query, "known_row": known_row, "known": known}

    def _ends(self, step: int, queries: np.ndarray, events: np.ndarray) -> np.ndarray:
        """Where the history of each event ends: one of the query's events up to itself, all alike."""
        random = np.random.default_rng([self._seed, step, _ENDS])
        ends: np.ndarray = random.integers(self._data.offsets[queries], events, endpoint=True)
        return ends

    def _known(self, queries: np.ndarray, label: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # A query with very many events may fill much of a batch: what it knows is looked at once, not once a row.
        distinct, group = np.unique(queries, return_inverse=True)
        owner, positions = concatenate_ranges(self._known_offsets[distinct], self._known_offsets[distinct + 1])
        owner, candidates = self._competing(owner, self._known_candidates[positions], label, drawn)
        offsets = np.searchsorted(owner, np.arange(len(distinct) + 1))
        row, positions = concatenate_ranges(offsets[group], offsets[group + 1])
        known = candidates[positions]
        other = known != label[row]
        return row[other].astype(np.int32), known[other]
