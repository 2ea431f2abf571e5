"""What the benchmarks share: options, goals, tables, and what a process costs.

Every benchmark ends in the same JSON: `{"goals": [{"goal", "value", "met"}, …], "rows": [{…}, …]}`.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SAMPLE_SECONDS = 0.05
_PAGES_PER_MIB = (1 << 20) // os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Goal:
    """Something a benchmark is to show.

    Attributes:
        goal: what is wanted, in words.
        value: what was measured; None if it was not measured, as with `--quick`.
        met: whether that is what is wanted; None if it was not measured.
    """

    goal: str
    value: float | None
    met: bool | None

    @staticmethod
    def at_most(goal: str, value: float | None, limit: float) -> "Goal":
        """A goal that is met up to a limit."""
        return Goal(goal, value, None if value is None else value <= limit)

    @staticmethod
    def at_least(goal: str, value: float | None, limit: float) -> "Goal":
        """A goal that is met from a limit on."""
        return Goal(goal, value, None if value is None else value >= limit)


@dataclass(frozen=True)
class Usage:
    """What a process and its children cost.

    Attributes:
        seconds: by the clock.
        cpu_seconds: user and system time of all of them.
        peak_mib: most resident memory at any moment, memory-mapped files included, summed over the processes that
            ran at that moment; pages that two processes share count twice.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options all benchmarks have: `--quick` and `--json`."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    options.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    options.add_argument("--json", type=Path, metavar="FILE", help="also write goals and rows there")
    return options


def measured(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeline: list[tuple[float, float]] | None = None,
) -> Usage:
    """Runs a command to its end in a process of its own and measures it.

    Args:
        command: program and arguments.
        env: environment variables laid over this process's.
        timeline: if given, gets (Unix time, resident MiB) of every moment that was looked at.

    Raises:
        RuntimeError: it fails; with the end of what it printed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = _PeakMemory(process.pid, [] if timeline is None else timeline)
    peak.start()
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{printed[-4000:]}")
    return Usage(seconds, used.ru_utime + used.ru_stime, peak.stop())


def run_pipeline(*arguments: str) -> None:
    """Runs the pipeline's command line in a process of its own, with its summary left out; it has to succeed."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    subprocess.run([sys.executable, "-m", "pipeline", *arguments], check=True, env=quiet, stdout=subprocess.DEVNULL)


def finish(arguments: argparse.Namespace, *, rows: Sequence[Mapping[str, Any]], goals: Sequence[Goal]) -> int:
    """Prints rows and goals, writes them where `--json` says; returns the exit code, 1 if a goal is missed."""
    print_table(rows)
    print()
    for goal in goals:
        verdict = "not measured" if goal.met is None else "met" if goal.met else "MISSED"
        value = "" if goal.value is None else f" {goal.value:.4g}"
        print(f"{verdict:>12}  {goal.goal}{':' if value else ''}{value}")
    if arguments.json is not None:
        content = {"goals": [asdict(goal) for goal in goals], "rows": [dict(row) for row in rows]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return int(any(goal.met is False for goal in goals))


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints rows under the names of their columns; numbers to the right."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    numbers = [any(isinstance(row.get(name), int | float) for row in rows) for name in names]
    for line in cells:
        padded = zip(line, widths, numbers, strict=True)
        print("  ".join(f"{text:>{width}}" if right else f"{text:<{width}}" for text, width, right in padded).rstrip())
    sys.stdout.flush()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


class _PeakMemory(threading.Thread):
    """Samples the resident memory of a process and its descendants until it is stopped."""

    def __init__(self, pid: int, timeline: list[tuple[float, float]]) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._timeline = timeline
        self._stopped = threading.Event()
        self._peak_of_first = 0.0

    def run(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            self._timeline.append((time.time(), _resident_pages(self._pid) / _PAGES_PER_MIB))
            self._peak_of_first = _peak_mib(self._pid) or self._peak_of_first

    def stop(self) -> float:
        """Ends the sampling; returns the peak in MiB."""
        self._stopped.set()
        self.join()
        # Short peaks of the one process that was started are the kernel's to remember. (What wait4 tells of it includes
        # the memory of this process, which it was for a moment.)
        return max(self._peak_of_first, *(mib for _, mib in self._timeline), 0.0)


def _peak_mib(pid: int) -> float:
    """The most memory a process has had since it began to run its program; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (OSError, ProcessLookupError):
        return 0.0
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) / 1024 if peak else 0.0


def _resident_pages(pid: int) -> int:
    """Resident pages of a process and its descendants; those that have just ended have none."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (OSError, ProcessLookupError):
        return 0
    return pages + sum(map(_resident_pages, children))
