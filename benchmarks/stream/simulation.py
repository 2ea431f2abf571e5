"""The nights of the benchmark, one after another."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.stream.nights import COLD, NAME, REFUSED, WARM, Nights, Outcome, write_window
from benchmarks.stream.rows import BadNight, Night
from benchmarks.stream.world import Size, World


def _without_candidates(events: pa.Table, random: np.random.Generator) -> pa.Table:
    """A third of the events has no candidate."""
    ids = events["candidate_id"].combine_chunks()
    lost = pa.array(random.random(len(events)) < 1 / 3)
    return _replaced(events, "candidate_id", pc.if_else(lost, pa.scalar(None, ids.type), ids))


def _truncated(events: pa.Table, random: np.random.Generator) -> pa.Table:
    """The files end after a third of the events."""
    return events.slice(len(events) - len(events) // 3)


def _doubled(events: pa.Table, random: np.random.Generator) -> pa.Table:
    """Every event was loaded twice."""
    return pa.concat_tables([events, events])


def _in_another_unit(events: pa.Table, random: np.random.Generator) -> pa.Table:
    """Milliseconds were written as microseconds."""
    numbers = events["timestamp"].combine_chunks().cast(pa.int64())
    shifted = pc.divide(numbers, 1000).cast(events.schema.field("timestamp").type)
    return _replaced(events, "timestamp", shifted)


def _replaced(events: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return events.set_column(events.schema.get_field_index(name), name, values)


SPOILED: Mapping[str, Callable[[pa.Table, np.random.Generator], pa.Table]] = {
    "broken column": _without_candidates,
    "truncated window": _truncated,
    "doubled volume": _doubled,
    "shifted time unit": _in_another_unit,
}
"""What a bad night does to the events of its window."""
_STEP = re.compile(r"(\w+) (?:refused|failed): (.*)")


class Simulation:
    """Good nights, then bad ones.

    Args:
        work: keeps data and roots.
        size: of the stream.
        nights: number of good nights.
        seed: decides the stream.
    """

    def __init__(self, work: Path, size: Size, *, nights: int, seed: int) -> None:
        self.work, self.size, self.nights_wanted = work.absolute(), size, nights
        self.days: list[pa.Table] = []
        self.world = World(size, days=nights + size.window, seed=seed)
        self.ways = {"cold": Nights(self.work / "cold", COLD), "warm": Nights(self.work / "warm", WARM)}

    def nights(self) -> Iterator[Night]:
        """Runs every good night both ways."""
        stream = self.world.tables()
        self.days = [next(stream) for _ in range(self.size.window - 1)]
        for _ in range(self.nights_wanted):
            self.days.append(next(stream))
            yield self._night(len(self.days) - 1)

    def _night(self, day: int) -> Night:
        data = self.work / "data" / f"day-{day:02}"
        write_window(self.world, self.days, data, day=day)
        found: dict[str, Outcome] = {}
        for name, way in self.ways.items():
            code, told = way.run(data, day=day)
            found[name] = way.outcome(_refusing(told) if code == REFUSED else "")
        cold, warm = found["cold"], found["warm"]
        refused = {name: outcome.refused for name, outcome in found.items() if outcome.refused}
        return Night(
            night=day - self.size.window + 2,
            events=pq.read_metadata(data / "interactions.parquet").num_rows,
            candidates=pq.read_metadata(data / "candidates.parquet").num_rows,
            cold_recall=cold.recall,
            error=cold.error,
            warm_recall=warm.recall,
            behind=(cold.recall - warm.recall) / cold.error,
            cold_old=cold.old,
            warm_old=warm.old,
            cold_new=cold.new,
            warm_new=warm.new,
            cold_steps=cold.steps,
            warm_steps=warm.steps,
            cold_seconds=cold.seconds,
            warm_seconds=warm.seconds,
            cold_kept=cold.kept,
            warm_kept=warm.kept,
            published="both" if not refused else " ".join(f"{name}: {gate}" for name, gate in refused.items()),
        )

    def bad_nights(self) -> Iterator[BadNight]:
        """Runs nights that a gate has to refuse, after the good ones."""
        day, number = len(self.days) - 1, self.world.size.queries
        for name, spoil in SPOILED.items():
            data = self.work / "data" / name.replace(" ", "-")
            write_window(self.world, self.days, data, day=day)
            file = data / "interactions.parquet"
            pq.write_table(spoil(pq.read_table(file), np.random.default_rng(number)), file)
            yield self._bad(name, data, day=day)
        past = self.work / "data" / "past"
        write_window(self.world, self.days[:-1], past, day=day - 1)
        # The last two days are held out now, which the published model was trained on.
        yield self._bad("held-out events known to the base", past, day=day - 2)

    def _bad(self, name: str, data: Path, *, day: int) -> BadNight:
        way = self.ways["warm"]
        before = self._served(way)
        code, told = way.run(data, day=day)
        step, reason = _refusal(told) if code == REFUSED else ("", "published")
        return BadNight(bad_night=name, refused_by=step, reason=reason, still_served=self._served(way) == before)

    @staticmethod
    def _served(way: Nights) -> list[str]:
        return sorted(version.name for version in (way.root / "serving" / NAME).iterdir())


def _refusal(told: str) -> tuple[str, str]:
    """The step that refused, and its reason, with the first line of a list that follows."""
    lines = told.strip().splitlines()
    found = [(match, number) for number, line in enumerate(lines) if (match := _STEP.search(line))]
    if not found:
        return "unknown", lines[-1]
    match, number = found[-1]
    listed = lines[number + 1].strip() if match[2].endswith(":") and number + 1 < len(lines) else ""
    return match[1], f"{match[2]} {listed}".strip()


def _refusing(told: str) -> str:
    return _refusal(told)[0]
