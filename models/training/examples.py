"""The events of an epoch and their order, as a function of (seed, epoch) alone."""

import numpy as np

from models.ragged import places_of, rows_of
from models.spec.examples_config import ExamplesConfig, PerQuery, Recent


def epoch_events(
    config: ExamplesConfig, offsets: np.ndarray, age: np.ndarray | None, *, seed: int, epoch: int
) -> np.ndarray:
    """Events of an epoch in training order; every epoch has the same number of events.

    Args:
        config: `events`, `per_query` or `recent`.
        offsets: events of query `q` are `offsets[q]:offsets[q + 1]`, `[queries + 1]`.
        age: days from each event to the newest one, `[events]`; needed by `recent`.
        seed: together with the epoch it decides the order.
        epoch: counted from 0.

    Raises:
        ValueError: `recent` without ages.
    """
    random, events = np.random.default_rng([seed, epoch]), int(offsets[-1])
    if isinstance(config, Recent):
        if age is None:
            raise ValueError("examples: recent needs events with a timestamp")
        cumulative = np.cumsum(0.5 ** (age.astype(np.float64) / config.half_life_days))
        drawn = np.searchsorted(cumulative, random.random(events) * cumulative[-1], side="right")
        events_drawn: np.ndarray = np.minimum(drawn, events - 1)
        return events_drawn
    order = np.arange(events, dtype=np.int32 if events < 1 << 31 else np.int64)
    random.shuffle(order)
    if isinstance(config, PerQuery):
        shuffled = order[np.argsort(rows_of(offsets)[order], kind="stable")]
        chosen = shuffled[places_of(offsets) < config.n]
        order = chosen[random.permutation(len(chosen))]
    return order
