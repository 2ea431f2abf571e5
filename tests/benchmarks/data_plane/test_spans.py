from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.data_plane.events import generate_spans
from benchmarks.data_plane.spans import NightRow, night_goals


def row(night: str, cpu_seconds: float, read: int) -> NightRow:
    return NightRow(
        night=night, rows=100, spans=10, read=read, cpu_seconds=cpu_seconds, seconds=1, peak_mib=1, steps={}
    )


def test_a_new_night_reads_one_span_and_costs_at_most_a_third() -> None:
    assert all(goal.met for goal in night_goals([row("cold", 90, 10), row("new", 30, 1)], quick=False))
    assert not any(goal.met for goal in night_goals([row("cold", 90, 10), row("new", 31, 2)], quick=False))


def test_events_of_a_span_are_of_its_day(tmp_path: Path) -> None:
    spans = generate_spans(tmp_path, 50, 3)
    assert spans == ["2024-01-01", "2024-01-02", "2024-01-03"]
    times = pq.read_table(tmp_path / "dt=2024-01-02/events.parquet")["time"].to_pylist()
    assert len(times) == 50
    assert 1_704_153_600 <= min(times) <= max(times) < 1_704_240_000
