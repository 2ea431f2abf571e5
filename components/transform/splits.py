"""Assigns events to training, validation, test or history: applies `models.spec.split_config` to whole columns."""

from dataclasses import dataclass

import numpy as np

from dataplane.columns.hashing import mix
from dataplane.dataset.sequences import SPLITS
from models.spec.moments import microseconds_of
from models.spec.split_config import FilesSplit, LeaveLastNSplit, RatioSplit, SplitConfig, TimeSplit

TRAIN, VALIDATION, TEST, HISTORY = range(len(SPLITS))


@dataclass(frozen=True)
class SplitInputs:
    """Events of some queries; the events of a query are adjacent and ordered.

    Attributes:
        offsets: first event of each query, int64 `[queries + 1]`.
        query_hashes: hashes of the query ids, uint64 `[queries]`.
        row_hashes: hashes of query, candidate and time, uint64 `[events]`.
        timestamp: microseconds UTC, int64 `[events]`, or None if the data have no timestamps.
        given: split codes from the source, int8 `[events]`, or None.
    """

    offsets: np.ndarray
    query_hashes: np.ndarray
    row_hashes: np.ndarray
    timestamp: np.ndarray | None = None
    given: np.ndarray | None = None


@dataclass(frozen=True)
class Splitter:
    """A split method with the facts about the whole data that it needs to be applied query by query.

    Attributes:
        config: the method; None makes every event training data.
        seed: seed of the methods that choose by hash.
        cuts: first timestamps of validation and of test in a time split, microseconds UTC.
        carve_validation: whether a split by files takes validation events from the training rows.
    """

    config: SplitConfig | None
    seed: int = 0
    cuts: tuple[int, int] | None = None
    carve_validation: bool = False

    def codes(self, events: SplitInputs) -> np.ndarray:
        """Position in `SPLITS` of every event, int8 `[events]`."""
        match self.config:
            case LeaveLastNSplit():
                return _leave_last_n(self.config, events)
            case TimeSplit():
                assert events.timestamp is not None
                assert self.cuts is not None
                later = (events.timestamp >= self.cuts[0]).astype(np.int8) + (events.timestamp >= self.cuts[1])
                return later.astype(np.int8)
            case RatioSplit(by="row"):
                return self._by_hash(events.row_hashes)
            case RatioSplit():
                return self._by_query(self.config, events)
            case FilesSplit():
                return self._given(self.config, events)
            case _:
                return np.zeros(len(events.row_hashes), np.int8)

    def _by_hash(self, hashes: np.ndarray) -> np.ndarray:
        assert isinstance(self.config, RatioSplit)
        place = _uniform(hashes, self.seed)
        test = self.config.test_fraction
        held_out = place < test + self.config.validation_fraction
        return np.where(place < test, TEST, np.where(held_out, VALIDATION, TRAIN)).astype(np.int8)

    def _by_query(self, config: RatioSplit, events: SplitInputs) -> np.ndarray:
        sizes = np.diff(events.offsets)
        codes = np.repeat(self._by_hash(events.query_hashes), sizes)
        labels = np.maximum(1, np.rint(sizes * (1 - config.history_fraction)).astype(np.int64))
        codes[(codes != TRAIN) & (events_after(events.offsets) >= np.repeat(labels, sizes))] = HISTORY
        return codes

    def _given(self, config: FilesSplit, events: SplitInputs) -> np.ndarray:
        assert events.given is not None
        codes = events.given.copy()
        if self.carve_validation:
            carved = _uniform(events.row_hashes, self.seed) < config.validation_fraction
            codes[(codes == TRAIN) & carved] = VALIDATION
        return codes


def time_cuts(config: TimeSplit, moments: np.ndarray, counts: np.ndarray) -> tuple[int, int]:
    """First timestamp of validation and of test, microseconds UTC.

    Example: with timestamps 10, 20, 30 of one event each and fractions of 1/3, validation begins at 20 and test at 30.

    Args:
        config: the cuts, or the fractions of events after them.
        moments: distinct timestamps of the data, ascending, int64; unused if `config` has the cuts.
        counts: number of events at each timestamp.
    """
    if config.validation_from is not None and config.test_from is not None:
        return microseconds_of(config.validation_from), microseconds_of(config.test_from)
    total = int(counts.sum())
    from_here_on = total - (np.cumsum(counts) - counts)
    # A cut is the latest timestamp with enough events from it on, so events with the same timestamp share a split.
    test = moments[np.flatnonzero(from_here_on >= total * config.test_fraction)[-1]]
    held_out = config.test_fraction + config.validation_fraction
    return int(moments[np.flatnonzero(from_here_on >= total * held_out)[-1]]), int(test)


def _leave_last_n(config: LeaveLastNSplit, events: SplitInputs) -> np.ndarray:
    sizes = np.diff(events.offsets)
    after = events_after(events.offsets)
    codes = np.where(after < config.n, TEST, np.where(after < 2 * config.n, VALIDATION, TRAIN))
    codes[np.repeat(sizes < 2 * config.n + 1, sizes)] = TRAIN
    return codes.astype(np.int8)


def events_after(offsets: np.ndarray) -> np.ndarray:
    """How many events of the same query follow each event, int64 `[events]`.

    Example: offsets `[0, 2, 3]` give `[1, 0, 0]`.
    """
    last = np.repeat(offsets[1:] - 1, np.diff(offsets))
    after: np.ndarray = last - np.arange(len(last))
    return after


def _uniform(hashes: np.ndarray, seed: int) -> np.ndarray:
    """Maps hashes to pseudo-random numbers in [0, 1), differently for each seed."""
    with np.errstate(over="ignore"):
        return (mix(hashes ^ mix(np.array([seed], np.uint64))) >> np.uint64(11)).astype(np.float64) / 2**53
