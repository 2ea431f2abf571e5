"""The data steps of all contestants: rows and goals."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data_plane.events import generate
from benchmarks.data_plane.tasks import STEPS, ComponentTask, Done, Step, StepTask
from benchmarks.harness.processes import ProcessError, run_task
from benchmarks.harness.report import Goal, Record

_OURS, _POLARS, _PER_ELEMENT = "in_process", "polars", "per element"
_MODULES = {_POLARS: "benchmarks.data_plane.polars_step", _PER_ELEMENT: "benchmarks.data_plane.per_element_step"}
_MOST_MIB, _MOST_QUICK_MIB = 4096, 1536


class StepRow(Record):
    """A data step of a contestant, or why it was skipped.

    Attributes:
        contestant: a Beam runner, `polars` or `per element`.
    """

    contestant: str
    step: Step
    rows: int
    rows_per_s: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_mib: float | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        sizes: interactions of in-process and polars, ascending.
        per_element: sizes at which the Beam job per element runs, too; goals are about the last.
        runners: Beam runners besides `in_process`.
        job_server_jar: Flink's, where Beam's cannot be downloaded.
    """

    sizes: Sequence[int]
    per_element: Sequence[int]
    runners: Sequence[str] = ()
    job_server_jar: Path | None = None


def step_rows(scratch: Path, plan: Plan) -> Iterator[StepRow]:
    """Measures every size; what a size needs on disk goes before the next."""
    for size in sorted({*plan.per_element, *plan.sizes}):
        work = scratch / str(size)
        generate(work / "raw", size)
        for runner in (_OURS, *plan.runners):
            yield from _runner_rows(work, size, runner, plan.job_server_jar)
        for contestant, module in _MODULES.items():
            if contestant == _POLARS or size in plan.per_element:
                home = work / contestant
                for step in STEPS:
                    yield _shown(_measured(contestant, size, module, StepTask(step=step, work=work, home=home)))
                shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(work)


def _runner_rows(work: Path, size: int, runner: str, jar: Path | None) -> Iterator[StepRow]:
    """A runner that is not there is skipped; the one that always is may not fail."""
    home = work / runner
    for step in STEPS:
        task = ComponentTask(step=step, work=work, home=home, runner=runner, job_server_jar=jar)
        try:
            row = _measured(runner, size, "benchmarks.data_plane.component_step", task)
        except ProcessError as error:
            if runner == _OURS:
                raise
            yield _shown(StepRow(contestant=runner, step=step, rows=size, skipped=str(error).splitlines()[-1]))
            break
        yield _shown(row)
    shutil.rmtree(home, ignore_errors=True)


def _measured(contestant: str, size: int, module: str, task: StepTask) -> StepRow:
    usage = run_task(module, task, Done).usage
    return StepRow(
        contestant=contestant,
        step=task.step,
        rows=size,
        rows_per_s=size / usage.seconds,
        seconds=usage.seconds,
        cpu_seconds=usage.cpu_seconds,
        peak_mib=usage.peak_mib,
    )


def _shown(row: StepRow) -> StepRow:
    print(row.model_dump_json(exclude_none=True), file=sys.stderr, flush=True)
    return row


@dataclass(frozen=True)
class _Total:
    """All steps of a contestant at a size."""

    rows: int
    seconds: float
    cpu_seconds: float

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.seconds


def _total(rows: Sequence[StepRow], contestant: str, size: int) -> _Total:
    chosen = [row for row in rows if (row.contestant, row.rows) == (contestant, size)]
    return _Total(size, sum(row.seconds or 0 for row in chosen), sum(row.cpu_seconds or 0 for row in chosen))


def step_goals(rows: Sequence[StepRow], plan: Plan) -> list[Goal]:
    """CPU time beside polars, rate beside per-element Beam, memory, and the rate over the sizes."""
    smallest, largest, slow_size = plan.sizes[0], plan.sizes[-1], plan.per_element[-1]
    ours, floor = (_total(rows, contestant, largest) for contestant in (_OURS, _POLARS))
    # Per element 20 million rows take an hour; its start-up is a tenth of its time at a million.
    faster = ours.rows_per_s / _total(rows, _PER_ELEMENT, slow_size).rows_per_s
    kept = ours.rows_per_s / _total(rows, _OURS, smallest).rows_per_s
    factor = ours.cpu_seconds / floor.cpu_seconds
    return [
        Goal.at_most(f"CPU-seconds of all steps at {largest:,} rows, as a multiple of polars's, ≤ 2", factor, 2),
        Goal.at_least(f"rows/s at {largest:,} rows as a multiple of per element's at {slow_size:,}, ≥ 10", faster, 10),
        _memory_goal(rows, _MOST_MIB),
        Goal.at_least(f"rows/s at {largest:,} rows as a share of those at {smallest:,}, ≥ 0.85", kept, 0.85),
    ]


def quick_step_goals(rows: Sequence[StepRow]) -> list[Goal]:
    """A small size is all start-up: only memory means something."""
    return [_memory_goal(rows, _MOST_QUICK_MIB)]


def _memory_goal(rows: Sequence[StepRow], limit: int) -> Goal:
    peak = max(row.peak_mib or 0 for row in rows if row.contestant == _OURS)
    return Goal.at_most(f"peak memory of any step, MiB, ≤ {limit}", peak, limit)
