"""The generated stream, and what spoils a night."""

from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.stream.__main__ import _goals
from benchmarks.stream.rows import Night
from benchmarks.stream.simulation import SPOILED
from benchmarks.stream.world import Size, World, moment

SIZE = Size(queries=200, candidates=100, window=3)


def days(number: int) -> list[pa.Table]:
    return list(islice(World(SIZE, days=9, seed=3).tables(), number))


def test_equal_seeds_give_equal_days_and_each_day_is_another() -> None:
    first, second = days(4), days(4)
    assert first == second
    assert first[0] != first[1]


def test_events_are_of_their_day_and_of_candidates_that_are_out_by_then() -> None:
    world = World(SIZE, days=9, seed=3)
    born = dict(zip(world.candidates.ids.tolist(), world.candidates.born.tolist(), strict=True))
    for day, table in enumerate(islice(world.tables(), 9)):
        assert {str(at.date()) for at in table["timestamp"].to_pylist()} == {moment(day)}
        assert max(born[name] for name in table["candidate_id"].to_pylist()) <= day
    fresh = [name for name in table["candidate_id"].to_pylist() if born[name] == day]
    assert len(fresh) / len(table) > 2 * 2 / 118, "new candidates are popular"


def test_tastes_and_fashions_drift() -> None:
    table = days(9)
    counts = [pc.value_counts(it["candidate_id"]).to_pylist() for it in (table[0], table[1], table[8])]
    shares = [{row["values"]: row["counts"] / 200 for row in found} for found in counts]

    def distance(first: dict[str, float], second: dict[str, float]) -> float:
        return sum(abs(first.get(name, 0) - second.get(name, 0)) for name in first | second)

    assert distance(shares[0], shares[2]) > distance(shares[0], shares[1])


def test_bad_nights_are_spoiled_as_they_are_named() -> None:
    (table,), random = days(1), np.random.default_rng(1)
    spoiled = {name: spoil(table, random) for name, spoil in SPOILED.items()}
    assert 0.2 < spoiled["broken column"]["candidate_id"].null_count / len(table) < 0.45
    assert len(spoiled["truncated window"]) == len(table) // 3
    assert len(spoiled["doubled volume"]) == 2 * len(table)
    assert {at.year for at in spoiled["shifted time unit"]["timestamp"].to_pylist()} == {1970}
    assert all(it.schema == table.schema for it in spoiled.values())


def night(number: int, *, warm: float, steps: int, published: str = "both") -> Night:
    return Night(
        night=number,
        events=1,
        candidates=1,
        cold_recall=0.3,
        error=0.01,
        warm_recall=warm,
        behind=(0.3 - warm) / 0.01,
        cold_old=0.3,
        warm_old=warm,
        cold_new=None,
        warm_new=None,
        cold_steps=100,
        warm_steps=steps,
        cold_seconds=1,
        warm_seconds=1,
        cold_kept=None,
        warm_kept=None,
        published=published,
    )


def test_the_goals_leave_out_the_first_night_which_is_cold_both_ways() -> None:
    first = night(1, warm=0.3, steps=100)
    for warm, steps, met in ((0.295, 20, (True, True)), (0.28, 20, (False, True)), (0.31, 30, (True, False))):
        found = list(_goals([first, night(2, warm=warm, steps=steps), night(3, warm=warm, steps=steps)]))
        assert (found[0].met, found[1].met) == met
    refused = list(_goals([first, night(2, warm=0.3, steps=9, published="warm: Pusher")]))
    assert not refused[-1].met
