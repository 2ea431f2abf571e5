"""Batches of windows of the queries' events, every position of which is an example."""

from functools import lru_cache
from typing import Any

import numpy as np

from models.events.ranges import concatenate_ranges
from models.negatives.negatives import NegativeSampler
from models.spec.config import TrainingConfig
from models.spec.features import HISTORY
from models.training.batches import NOTHING_KNOWN, Batch, Batches, StepBatches, TrainingData

_POOL = 16
"""Batches whose windows are sorted by length before they are cut, so that little of a batch is padding."""


def build_batches(
    data: TrainingData,
    config: TrainingConfig,
    *,
    seed: int,
    sampler: NegativeSampler | None,
    negatives_in_batch: bool,
) -> StepBatches:
    """Batches of the configured examples; the other arguments are those of `models.training.batches.Batches`."""
    settings: dict[str, Any] = {
        "seed": seed,
        "sampler": sampler,
        "negatives_in_batch": negatives_in_batch,
        "mask_known": config.mask_known,
    }
    if config.examples.type == "sequences":
        return WindowBatches(data, batch_size=config.batch_size, **settings)
    later = config.labels == "later"
    return Batches(data, batch_size=config.batch_size, examples=config.examples, later=later, **settings)


class WindowBatches(StepBatches):
    """Batches of windows in a seeded order, a new permutation every epoch; a batch is a function of (seed, step).

    A query's events are cut into windows from its last one backwards, so that an epoch has each event as a label once.

    Attributes:
        batch_size: labels of a batch, on average.
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
    ) -> None:
        """Cuts the windows; the arguments are those of `models.training.batches.Batches`."""
        super().__init__(data, sampler, negatives_in_batch=negatives_in_batch, mask_known=mask_known)
        if not data.ordered or data.history_length is None:
            raise ValueError("examples: sequences needs events in order and a history")
        self._seed = seed
        self._query, self._first, self._last = _cut(data.offsets, data.history_length)
        longest = int((self._last - self._first).max()) + 1
        self.steps_per_epoch = max(1, min(round(len(data) / batch_size), len(data) // longest))
        self.batch_size = len(data) // self.steps_per_epoch
        self._plan = lru_cache(maxsize=1)(self._batches_of_epoch)

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs.

        Returns:
            The keys of `models.training.batches.Batches.batch` with one entry a label, save that `query["history"]`
            int32 `[windows, length]` is what the last label of each window sees, and `known` all candidates of the
            query of window `known_row`. Besides `window` int32 `[labels]`, ascending, is the window of each label, and
            `positions` int32 `[labels]` its place among the states of `models.towers.sequence_encoders`.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        windows, data = self._plan(epoch)[position], self._data
        queries, last = self._query[windows], self._last[windows]
        window, events = concatenate_ranges(self._first[windows], last + 1)
        drawn = self._drawn(step)
        batch = self._learnt(events, drawn)
        history = data.history(queries, last)
        history = history[:, : max(1, int(np.count_nonzero(history, axis=1).max()))]
        oldest = np.maximum(data.offsets[queries], last - (data.history_length or 0))
        known_row, known = self._known(queries, batch["label"], drawn) if self._mask_known else NOTHING_KNOWN
        return batch | {
            "query": data.columns_of(queries[window], events) | {HISTORY: history},
            "known_row": known_row,
            "known": known,
            "window": window.astype(np.int32),
            "positions": (window * (history.shape[1] + 1) + events - oldest[window]).astype(np.int32),
        }

    def _batches_of_epoch(self, epoch: int) -> list[np.ndarray]:
        random = np.random.default_rng([self._seed, epoch])
        size = self._last - self._first + 1
        order = random.permutation(len(size))
        pool = np.cumsum(size[order]) // (_POOL * self.batch_size)
        order = order[np.lexsort((size[order], pool))]
        # No window has more labels than a batch on average, so that every batch ends in one of its own.
        ends = np.arange(1, self.steps_per_epoch) * size.sum() / self.steps_per_epoch
        batches = np.split(order, np.searchsorted(np.cumsum(size[order]), ends, side="right"))
        return [batches[index] for index in random.permutation(self.steps_per_epoch)]

    def _known(self, queries: np.ndarray, label: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        row, positions = concatenate_ranges(self._data.offsets[queries], self._data.offsets[queries + 1])
        row, known = self._competing(row, self._data.candidate[positions], label, drawn)
        catalogue = int(known.max(initial=0)) + 1
        row, known = np.divmod(np.unique(row.astype(np.int64) * catalogue + known), catalogue)
        return row.astype(np.int32), known.astype(np.int32)


def _cut(offsets: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Query, first label and last label of every window: at most `length` labels each, counted from the last event."""
    sizes = np.diff(offsets)
    query, number = concatenate_ranges(np.zeros_like(sizes), -(-sizes // length))
    last = offsets[query + 1] - 1 - number * length
    return query, np.maximum(offsets[query], last - length + 1), last
