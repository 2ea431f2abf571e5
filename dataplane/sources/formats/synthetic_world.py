"""Generates synthetic candidates with topics, queries with drifting tastes, and events.

Each query moves between its liked topics. Its next choice is often the successor of the last one, as in a series.
Otherwise it draws a released candidate of the current topic, by popularity (Zipf), with a boost for new candidates.
So a good model needs the recent history. It also needs titles and genres, which alone show the topic of a new
candidate.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dataplane.sources.config import SyntheticInteractions

DAYS = 180
START = 1_704_067_200  # 2024-01-01 UTC, seconds
CATEGORIES = ("film", "series", "documentary", "short")
DEVICES = ("phone", "desktop", "tv")
ACTIONS = ("view", "cart", "purchase")
COUNTRIES = ("br", "de", "in", "jp", "ng", "us")

_DAY = 86_400
_TIME_BINS = 30
_ZIPF = 0.8
_NOVELTY_DAYS = 15.0
_NOVELTY_BOOST = 20.0
_LIKED_TOPICS = 3
_STAY_IN_TOPIC = 0.8
_FOLLOW_SUCCESSOR = 0.25
_PICKY = 0.7
_SHORTEST = 3


@dataclass(frozen=True)
class Candidates:
    """All candidates; arrays have one entry per candidate unless noted.

    Attributes:
        topic: main topic.
        second_topic: topic of the second genre; equal to the main topic if there is none.
        category: index into `CATEGORIES`.
        duration: length in minutes.
        released: release time, seconds since 1970.
        successor: index of the candidate that naturally follows.
        ladder: cell number + cumulative share of each candidate in the cell, over all cells; a cell is a topic in a
            time bin. One binary search then draws from any cell: in cell 7 with shares 0.2, 0.5 and 0.3 the ladder
            has 7.2, 7.7 and 8.0, and a draw of 7.6 finds the second candidate.
        on_ladder: index of the candidate at each entry of `ladder`.
    """

    topic: np.ndarray
    second_topic: np.ndarray
    category: np.ndarray
    duration: np.ndarray
    released: np.ndarray
    successor: np.ndarray
    ladder: np.ndarray
    on_ladder: np.ndarray


@dataclass(frozen=True)
class Queries:
    """Consecutive queries; arrays have one entry per query.

    Attributes:
        liked: liked topics `[queries, 3]`, the early favourite first.
        drift: share of the taste that moves from the first to the last liked topic over time, `[queries]`.
        category: preferred category, index into `CATEGORIES`.
        country: index into `COUNTRIES`.
        age: age in years.
        device: usual device, index into `DEVICES`.
        length: number of events.
    """

    liked: np.ndarray
    drift: np.ndarray
    category: np.ndarray
    country: np.ndarray
    age: np.ndarray
    device: np.ndarray
    length: np.ndarray


@dataclass(frozen=True)
class Events:
    """Events of consecutive queries, sorted by query and time. A query chooses a candidate at most once.

    Attributes:
        query: index of the query.
        candidate: index of the candidate.
        seconds: time of the event, seconds since 1970.
        device: index into `DEVICES`.
        action: index into `ACTIONS`; purchases are more frequent in the preferred category.
    """

    query: np.ndarray
    candidate: np.ndarray
    seconds: np.ndarray
    device: np.ndarray
    action: np.ndarray


@lru_cache(maxsize=2)
def make_candidates(settings: SyntheticInteractions) -> Candidates:
    """Generates all candidates from the settings."""
    rng = np.random.default_rng([settings.seed, 1])
    count, topics = settings.candidates, settings.topics
    topic = rng.permutation(np.arange(count) % topics)
    second = np.where(rng.random(count) < 0.5, rng.integers(topics, size=count), topic)
    category = rng.integers(len(CATEGORIES), size=count)
    duration = np.round(rng.normal(np.array([110.0, 45.0, 80.0, 15.0])[category], 6.0).clip(3), 1)
    new = rng.random(count) < settings.new_candidate_fraction
    day = np.where(new, rng.uniform(DAYS * 2 / 3, DAYS - 1, count), -rng.uniform(1, 2000, count))
    popularity = (rng.permutation(count) + 5.0) ** -_ZIPF
    members = [np.flatnonzero(topic == number) for number in range(topics)]
    rungs = [_shares(popularity[own], day[own]) + number * _TIME_BINS for number, own in enumerate(members)]
    ladder = np.concatenate([own.ravel() for own in rungs])
    on_ladder = np.concatenate([np.tile(own, _TIME_BINS) for own in members]).astype(np.int32)
    released = (START + day * _DAY).astype(np.int64)
    successor = np.empty(count, np.int64)
    for own in members:
        ring = rng.permutation(own)
        successor[ring] = np.roll(ring, -1)
    return Candidates(topic, second, category, duration, released, successor, ladder, on_ladder)


def _shares(popularity: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Time bin + cumulative share of each candidate of a topic in the bin, `[bins, candidates]`."""
    start = np.arange(_TIME_BINS)[:, None] * DAYS / _TIME_BINS
    age = start - day[None, :]
    novelty = 1 + _NOVELTY_BOOST * np.exp(-np.maximum(age, 0) / _NOVELTY_DAYS)
    weight = np.where(age >= 0, popularity * novelty, 0.0)
    weight[weight.sum(1) == 0] = popularity  # no candidate of the topic is released yet
    cumulative = np.cumsum(weight, axis=1)
    shares: np.ndarray = cumulative / cumulative[:, -1:] + np.arange(_TIME_BINS)[:, None]
    return shares


def make_queries(settings: SyntheticInteractions, start: int, stop: int) -> Queries:
    """Generates queries `start` to `stop`; each chunk has its own seed."""
    rng = np.random.default_rng([settings.seed, 2, start])
    count, topics = stop - start, settings.topics
    liked = np.argsort(rng.random((count, topics)) ** 2, axis=1)[:, :_LIKED_TOPICS]
    if liked.shape[1] < _LIKED_TOPICS:
        liked = np.pad(liked, ((0, 0), (0, _LIKED_TOPICS - liked.shape[1])), mode="edge")
    category = rng.integers(len(CATEGORIES), size=count)
    country = np.where(rng.random(count) < 0.6, liked[:, 0], rng.integers(topics, size=count)) % len(COUNTRIES)
    age = rng.normal(np.array([45.0, 30.0, 55.0, 22.0])[category], 8.0).clip(14, 90).astype(np.int64)
    device = np.where(rng.random(count) < 0.5, np.where(age < 35, 0, 2), rng.integers(len(DEVICES), size=count))
    extra = rng.gamma(1.5, max(settings.events_per_query - _SHORTEST, 0.5) / 1.5, count)
    length = _SHORTEST + np.minimum(extra, 20 * settings.events_per_query).astype(np.int64)
    return Queries(liked, rng.random(count), category, country, age, device, length)


def make_events(settings: SyntheticInteractions, start: int, stop: int) -> Events:
    """Generates the events of queries `start` to `stop`, one step of all queries at a time."""
    rng = np.random.default_rng([settings.seed, 3, start])
    queries, candidates = make_queries(settings, start, stop), make_candidates(settings)
    seconds, valid = _moments(queries.length, rng)
    chosen = _choices(queries, candidates, seconds, rng)
    query, step = np.nonzero(valid)
    candidate, when = chosen[query, step], seconds[query, step]
    device = np.where(rng.random(len(query)) < 0.75, queries.device[query], rng.integers(len(DEVICES), size=len(query)))
    _, first = np.unique(query * settings.candidates + candidate, return_index=True)
    first.sort()
    liked = candidates.category[candidate] == queries.category[query]
    interest = np.random.default_rng([settings.seed, 5, start]).random(len(query)) + 0.3 * liked
    action = np.searchsorted([0.7, 0.9], interest, side="right")
    return Events(query[first], candidate[first], when[first], device[first], action[first])


def _moments(length: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Increasing times in seconds `[queries, steps]`, and which of them are events."""
    steps = int(length.max())
    valid = np.arange(steps) < length[:, None]
    begin = rng.uniform(0, 0.5, (len(length), 1)) * DAYS
    days = np.where(valid, begin + rng.random(valid.shape) * (DAYS - begin), DAYS)
    return START + np.sort((days * _DAY).astype(np.int64), axis=1), valid


def _choices(queries: Queries, world: Candidates, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chosen candidates `[queries, steps]`."""
    chosen = np.zeros(seconds.shape, np.int64)
    topic = queries.liked[:, 0].copy()
    for step in range(seconds.shape[1]):
        rows = np.flatnonzero(queries.length > step)
        now = seconds[rows, step]
        moved = rng.random(len(rows)) >= _STAY_IN_TOPIC
        topic[rows] = np.where(moved, _drifted_topic(queries, rows, now, rng), topic[rows])
        option, other = _draw(world, topic[rows], now, rng), _draw(world, topic[rows], now, rng)
        wrong = world.category[option] != queries.category[rows]
        pick = np.where(wrong & (rng.random(len(rows)) < _PICKY), other, option)
        if step:
            follower = world.successor[chosen[rows, step - 1]]
            follow = (rng.random(len(rows)) < _FOLLOW_SUCCESSOR) & (world.released[follower] <= now)
            pick = np.where(follow, follower, pick)
        chosen[rows, step] = pick
    return chosen


def _drifted_topic(queries: Queries, rows: np.ndarray, now: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws a liked topic for each row: mostly the first one early, mostly the last one late if the query drifts."""
    progress = queries.drift[rows] * (now - START) / (DAYS * _DAY)
    draw = rng.random(len(now))
    place = np.where(draw < 0.7 * (1 - progress), 0, np.where(draw < 1 - 0.8 * progress, 1, 2))
    topics: np.ndarray = queries.liked[rows, place]
    return topics


def _draw(world: Candidates, topic: np.ndarray, now: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws one candidate per row from the topic and time bin of the row; see `Candidates.ladder`."""
    time_bin = np.minimum((now - START) * _TIME_BINS // (DAYS * _DAY), _TIME_BINS - 1)
    rung = np.searchsorted(world.ladder, topic * _TIME_BINS + time_bin + rng.random(len(topic)), side="right")
    drawn: np.ndarray = world.on_ladder[np.minimum(rung, len(world.on_ladder) - 1)].astype(np.int64)
    return drawn
