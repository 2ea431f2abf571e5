"""A new night beside a cold one: the data steps over a window of a hundred spans, of which one is new."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.data_plane.events import generate_spans
from benchmarks.data_plane.night import NightDone, NightTask
from benchmarks.harness.processes import run_task
from benchmarks.harness.report import Goal, Record

_CONFIG = Path(__file__).with_name("end_to_end.yaml")
_SPANS, _QUICK_SPANS = 100, 5
_LARGEST_SHARE = 1 / 3


class NightRow(Record):
    """The data steps of a night.

    Attributes:
        night: `cold` or `new`.
        rows: interactions of the window.
        read: spans that ExampleGen read.
        cpu_seconds: of the whole process, its start and imports included.
        steps: CPU-seconds of each step.
    """

    night: str
    rows: int
    spans: int
    read: int
    cpu_seconds: float
    seconds: float
    peak_mib: float
    steps: dict[str, float]


def night_rows(scratch: Path, rows: int, *, quick: bool) -> list[NightRow]:
    """Measures a cold night, and the next one with a new span."""
    count = _QUICK_SPANS if quick else _SPANS
    spans = generate_spans(scratch / "raw", rows // count, count + 1)
    config = scratch / "spans.yaml"
    config.write_text(
        f"extends: {_CONFIG}\ndata:\n  base_dir: {scratch}\n  spans: {{last: {count}}}\n"
        "  interactions: {path: 'raw/dt={SPAN}/*.parquet'}\n",
        encoding="utf-8",
    )
    found = []
    for night, span in (("cold", spans[-2]), ("new", spans[-1])):
        task = NightTask(config=config, root=scratch / "runs", span=span)
        answer = run_task("benchmarks.data_plane.night", task, NightDone)
        found.append(
            NightRow(
                night=night,
                rows=rows,
                spans=count,
                read=answer.result.read,
                cpu_seconds=answer.usage.cpu_seconds,
                seconds=answer.usage.seconds,
                peak_mib=answer.usage.peak_mib,
                steps=answer.result.steps,
            )
        )
    return found


def night_goals(rows: Sequence[NightRow], *, quick: bool) -> list[Goal]:
    """A new night reads one span and costs at most a third; a small size is all start-up."""
    cold, new = rows
    goals = [Goal.at_most("spans that a new night reads, ≤ 1", new.read, 1)]
    if not quick:
        share = new.cpu_seconds / cold.cpu_seconds
        goals.append(
            Goal.at_most("CPU-seconds of a new night as a share of a cold one's, ≤ 0.33", share, _LARGEST_SHARE)
        )
    return goals
