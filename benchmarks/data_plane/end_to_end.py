"""The whole pipeline, from raw Parquet to a pushed model, as a user would run it."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.data_plane.events import generate
from benchmarks.harness.memory import Sample
from benchmarks.harness.processes import MeasuredProcess
from benchmarks.harness.report import Goal, Record
from pipeline.execution.metadata import Execution, Store

_CONFIG = Path(__file__).with_name("end_to_end.yaml")
_NAME = "data_plane_e2e"
_MOST_MIB = 6144


class EndToEndRow(Record):
    """A step of the run, or `all` of them; memory is that of the whole process meanwhile."""

    rows: int
    step: str
    seconds: float
    peak_mib: float
    cpu_seconds: float | None = None


def end_to_end(scratch: Path, size: int) -> list[EndToEndRow]:
    """Runs the pipeline on so many events."""
    generate(scratch / "raw", size)
    command = [sys.executable, "-m", "pipeline", "run", str(_CONFIG), "--root", str(scratch / "runs")]
    with MeasuredProcess([*command, "--set", f"data.base_dir={scratch}"]) as process:
        usage = process.wait()
    rows = [
        EndToEndRow(rows=size, step=done.node, seconds=done.seconds, peak_mib=_peak_mib(done, process.samples))
        for done in sorted(_executions(scratch / "runs"), key=lambda done: done.started)
    ]
    whole = EndToEndRow(
        rows=size, step="all", seconds=usage.seconds, peak_mib=usage.peak_mib, cpu_seconds=usage.cpu_seconds
    )
    return [*rows, whole]


def end_to_end_goals(rows: Sequence[EndToEndRow]) -> list[Goal]:
    """Memory is bounded."""
    peak = max(row.peak_mib for row in rows)
    return [Goal.at_most(f"peak memory of any step, MiB, ≤ {_MOST_MIB}", peak, _MOST_MIB)]


def _executions(root: Path) -> Iterator[Execution]:
    store = Store(root, _NAME)
    for node in store.nodes():
        yield from store.executions(node)


def _peak_mib(execution: Execution, samples: Sequence[Sample]) -> float:
    """The most memory while the step ran; records count whole seconds."""
    start = datetime.fromisoformat(execution.started).timestamp()
    during = [sample.mib for sample in samples if start <= sample.moment <= start + execution.seconds + 1]
    return max(during, default=0.0)
