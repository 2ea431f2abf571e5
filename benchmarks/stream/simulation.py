"""The nights of the benchmark, one after another."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.stream.nights import COLD, NAME, REFUSED, WARM, Nights, Outcome, write_window
from benchmarks.stream.rows import BadNight, Night
from benchmarks.stream.world import Size, World

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
        day = len(self.days) - 1
        yield self._bad("broken column", self._without_candidates(day), day=day)
        past = self.work / "data" / "past"
        write_window(self.world, self.days[:-1], past, day=day - 1)
        # The day before last is held out now, and was a training day of the published model's validation at most.
        yield self._bad("held-out events known to the base", past, day=day - 2)

    def _without_candidates(self, day: int) -> Path:
        """The last window, a third of whose events have no candidate."""
        data = self.work / "data" / "broken"
        write_window(self.world, self.days, data, day=day)
        events = pq.read_table(data / "interactions.parquet")
        lost = np.random.default_rng(0).random(len(events)) < 1 / 3
        ids = pa.compute.if_else(pa.array(lost), pa.scalar(None, pa.string()), events["candidate_id"].combine_chunks())
        place = events.schema.get_field_index("candidate_id")
        pq.write_table(events.set_column(place, "candidate_id", ids), data / "interactions.parquet")
        return data

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
    """The step that refused, and its reason."""
    found = [match for line in told.splitlines() if (match := _STEP.search(line))]
    return (found[-1][1], found[-1][2]) if found else ("unknown", told.strip().splitlines()[-1])


def _refusing(told: str) -> str:
    return _refusal(told)[0]
