"""A stream of events whose candidates, popularity and tastes drift from day to day."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = np.datetime64("2026-01-01")
_TOPICS, _DIMENSION = 24, 16
_NEW_EACH_DAY = 0.02
_TASTE_CHANGES = 0.04
_HALF_FRESH_DAYS = 3.0
_COHORT_DAYS = 7


@dataclass(frozen=True)
class Size:
    """How large the stream is.

    Attributes:
        queries: number of queries.
        candidates: number of candidates on the first day; 2 % more come each day.
        window: days that a night trains on.
    """

    queries: int
    candidates: int
    window: int


@dataclass(frozen=True)
class Candidates:
    """All candidates that are ever released.

    Attributes:
        born: day of release, `[candidates]`; those of the first day are older than the stream.
        topic: `[candidates]`.
        vector: float `[candidates, dimension]`.
        appeal: logarithm of a lasting popularity, `[candidates]`.
    """

    born: np.ndarray
    topic: np.ndarray
    vector: np.ndarray
    appeal: np.ndarray

    @property
    def ids(self) -> np.ndarray:
        """Their ids, in an order that does not tell their age."""
        return np.array([f"c{number * 7919 % 100_003:06}" for number in range(len(self.born))])

    @property
    def cohorts(self) -> np.ndarray:
        """The week of their release: `first` for those of the first day."""
        weeks = (self.born - 1) // _COHORT_DAYS
        return np.where(self.born == 0, "first", np.char.add("week", np.maximum(weeks, 0).astype(str)))


class World:
    """Generates the days one after another; equal seeds give equal days."""

    def __init__(self, size: Size, *, days: int, seed: int) -> None:
        self.size = size
        self._random = np.random.default_rng(seed)
        self._centres = self._random.normal(size=(_TOPICS, _DIMENSION))
        self.candidates = self._candidates(days)
        self._liked = self._random.integers(0, _TOPICS, (size.queries, 2))
        self._fashion = self._random.normal(scale=0.5, size=_TOPICS)
        self._tables: list[pa.Table] = []

    def _candidates(self, days: int) -> Candidates:
        new = max(1, round(_NEW_EACH_DAY * self.size.candidates))
        born = np.concatenate([np.zeros(self.size.candidates, np.int64), np.repeat(np.arange(1, days + 1), new)])
        topic = self._random.integers(0, _TOPICS, len(born))
        vector = self._centres[topic] + 0.7 * self._random.normal(size=(len(born), _DIMENSION))
        return Candidates(born, topic, vector, self._random.normal(scale=0.8, size=len(born)))

    def tables(self) -> Iterator[pa.Table]:
        """The events of each day, from day 0 on: `query_id`, `candidate_id`, `timestamp`."""
        day = 0
        while True:
            yield self._events(day)
            day += 1

    def _events(self, day: int) -> pa.Table:
        random, size = self._random, self.size
        changes = random.random(self._liked.shape) < _TASTE_CHANGES
        self._liked[changes] = random.integers(0, _TOPICS, int(changes.sum()))
        self._fashion += random.normal(scale=0.15, size=_TOPICS)
        there = np.flatnonzero(self.candidates.born <= day)
        age = day - self.candidates.born[there]
        fresh = 2.0 * np.exp(-age / _HALF_FRESH_DAYS) * (self.candidates.born[there] > 0)
        draw = self.candidates.appeal[there] + fresh + self._fashion[self.candidates.topic[there]]
        active = np.flatnonzero(random.random(size.queries) < 0.6)
        tastes = self._centres[self._liked[active]].mean(axis=1)
        scores = 0.45 * tastes @ self.candidates.vector[there].T + draw
        number = np.minimum(1 + random.poisson(2.0, len(active)), 8)
        order = np.argsort(-(scores + random.gumbel(size=scores.shape)), axis=1)[:, : int(number.max())]
        chosen = np.arange(order.shape[1]) < number[:, None]
        query, candidate = np.repeat(active, number), there[order[chosen]]
        seconds = np.sort(random.integers(0, 86_400, len(query)))
        moment = (FIRST_DAY + np.timedelta64(day, "D")).astype("datetime64[s]") + seconds
        shuffled = random.permutation(len(query))
        return pa.table(
            {
                "query_id": pa.array([f"q{number}" for number in query[shuffled]]),
                "candidate_id": pa.array(self.candidates.ids[candidate[shuffled]]),
                "timestamp": pa.array(moment.astype("datetime64[us]")),
            }
        )

    def write_candidates(self, file: Path, *, day: int) -> None:
        """Writes the candidates that are released on a day: `candidate_id`, `topic`, `cohort`."""
        there = self.candidates.born <= day
        pq.write_table(
            pa.table(
                {
                    "candidate_id": self.candidates.ids[there],
                    "topic": np.char.add("topic", self.candidates.topic[there].astype(str)),
                    "cohort": self.candidates.cohorts[there],
                }
            ),
            file,
        )


def moment(day: int) -> str:
    """The beginning of a day, as a configuration has it."""
    return str(FIRST_DAY + np.timedelta64(day, "D"))
