"""Nightly runs on a drifting stream: warm trainings beside cold ones, and nights that must be refused.

    python -m benchmarks.stream [--days 14] [--work DIR] [--quick] [--json FILE]

Each day brings 2 % new candidates, which are popular while they are fresh; fashions and tastes change. Every night the
pipeline runs on the window of the last ten days, twice: from random weights, and from the model that the night before
published, for at most two epochs. The last day is the test, the day before is for validation. The first night of both
is cold. Then come nights that a gate has to refuse while the published model stays: a column that lost values, a
truncated window, events that were loaded twice, times in another unit, and a night in the past, whose held-out events
the published model was trained on.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.report import Goal, finish, parser
from benchmarks.stream.rows import BadNight, Night

_SEED = 11


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the nights and prints the tables."""
    options = parser("stream", __doc__)
    options.add_argument("--days", type=int, default=14, help="nights (%(default)s)")
    options.add_argument("--work", type=Path, help="keeps data and roots; temporary if absent")
    chosen = options.parse_args(arguments)

    from benchmarks.stream.simulation import Simulation
    from benchmarks.stream.world import Size

    size = (
        Size(queries=600, candidates=300, window=5) if chosen.quick else Size(queries=4000, candidates=2000, window=10)
    )
    with tempfile.TemporaryDirectory(prefix="stream-") as scratch:
        simulation = Simulation(
            chosen.work or Path(scratch), size, nights=2 if chosen.quick else chosen.days, seed=_SEED
        )
        nights = list(simulation.nights())
        bad = list(simulation.bad_nights())
    goals = list(_bad_goals(bad) if chosen.quick else (*_goals(nights), *_bad_goals(bad)))
    return finish(chosen.json, rows=[*nights, *bad], goals=goals)


def _goals(nights: Sequence[Night]) -> Iterator[Goal]:
    later = nights[1:]
    behind = sum(night.behind for night in later) / len(later)
    yield Goal.at_most("recall that warm nights are behind cold ones, mean, in standard errors, ≤ 1", behind, 1)
    share = sum(night.warm_steps for night in later) / sum(night.cold_steps for night in later)
    yield Goal.at_most("steps of warm nights, as a share of those of cold nights, ≤ 0.25", share, 0.25)
    last = later[-min(5, len(later)) :]
    olds = [(night.warm_old, night.cold_old, night.error) for night in last]
    forgotten = sum((cold - warm) / error for warm, cold, error in olds if warm is not None and cold is not None)
    text = "recall of the oldest candidates, last nights: how far warm is behind, in standard errors, ≤ 1"
    yield Goal.at_most(text, forgotten / len(olds), 1)
    published = sum(night.published == "both" for night in nights) / len(nights)
    yield Goal.at_least("share of the good nights that were published, ≥ 1", published, 1)


def _bad_goals(nights: Sequence[BadNight]) -> Iterator[Goal]:
    share = sum(bool(night.refused_by) and night.still_served for night in nights) / len(nights)
    yield Goal.at_least("share of the bad nights that were refused while the model stayed, ≥ 1", share, 1)


if __name__ == "__main__":
    sys.exit(main())
