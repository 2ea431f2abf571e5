"""Batches of windows of the queries' events; every position of a window is an example."""

from functools import lru_cache
from typing import Any

import numpy as np

from models.negatives.negatives import NegativeSampler
from models.ragged import concatenate_ranges
from models.spec.config import TrainingConfig
from models.spec.features import HISTORY
from models.training.batches import NOTHING_KNOWN, Batch, Batches, StepBatches, TrainingData

_POOL = 16
"""Number of batches whose windows are sorted by length together, so that batches contain little padding."""


def build_batches(
    data: TrainingData,
    config: TrainingConfig,
    *,
    seed: int,
    sampler: NegativeSampler | None,
    negatives_in_batch: bool,
) -> StepBatches:
    """Builds batches of the configured examples; the arguments are those of `models.training.batches.Batches`."""
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
    """Batches of windows in a seeded order, with a new permutation every epoch. A batch is a function of (seed, step).

    A query's events are cut into windows from the last event backwards, so each event is a label once per epoch.

    Attributes:
        batch_size: average number of labels in a batch.
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
    ) -> None:
        """Cuts the windows; the arguments are those of `models.training.batches.Batches`.

        Raises:
            ValueError: there are no events, the events have no order, or the query tower has no history.
        """
        super().__init__(data, sampler, negatives_in_batch=negatives_in_batch, mask_known=mask_known)
        if not data.ordered or data.history_length is None:
            raise ValueError("examples: sequences needs ordered events and a history")
        self._seed = seed
        self._query, self._first, self._last = _cut(data.offsets, data.history_length)
        longest = int((self._last - self._first).max()) + 1
        self.steps_per_epoch = max(1, min(round(len(data) / batch_size), len(data) // longest))
        self.batch_size = len(data) // self.steps_per_epoch
        self._plan = lru_cache(maxsize=1)(self._batches_of_epoch)

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs.

        Returns:
            The keys of `models.training.batches.Batches.batch` with one entry per label, with these differences.
            `query["history"]`, int32 `[windows, length]`, is the history of the last label of each window. `known` has
            all candidates of the query of window `known_row`. `window`, int32 `[labels]`, ascending, is the window of
            each label, and `positions`, int32 `[labels]`, its position among the states of
            `models.towers.sequence_encoders`.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        windows, data = self._plan(epoch)[position], self._data
        queries, last = self._query[windows], self._last[windows]
        window, events = concatenate_ranges(self._first[windows], last + 1)
        drawn = self._drawn(step)
        batch = self._labelled(events, drawn)
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
        # No window has more labels than an average batch, so every batch gets at least one window.
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
    """Query, first label and last label of every window.

    A window has at most `length` labels. For example, `offsets` [0, 5] and length 2 give windows with the labels 3–4,
    1–2 and 0.
    """
    sizes = np.diff(offsets)
    query, number = concatenate_ranges(np.zeros_like(sizes), -(-sizes // length))
    last = offsets[query + 1] - 1 - number * length
    return query, np.maximum(offsets[query], last - length + 1), last
