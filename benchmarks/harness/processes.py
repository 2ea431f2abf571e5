"""Processes that are measured, and typed tasks for those that run a module of the benchmarks.

A task goes to the standard input of `python -m MODULE` as JSON, the result comes back on its standard output. The
module calls `answer`:

    if __name__ == "__main__":
        answer(StepTask, time_steps)
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Generic, Self, TypeVar

from benchmarks.harness.memory import MemorySampler, Sample
from benchmarks.harness.report import Record
from models.spec.progress import Advanced, Report

Task = TypeVar("Task", bound=Record)
Result = TypeVar("Result", bound=Record)

_LAST_CHARACTERS = 4000


class ProcessError(RuntimeError):
    """A process failed; the message ends with what it printed last."""


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


@dataclass(frozen=True)
class Answer(Generic[Result]):
    """A result, and what it cost."""

    result: Result
    usage: Usage


class MeasuredProcess:
    """A command in a process of its own; leaving the context kills a process that still runs.

    Args:
        command: program and arguments.
        task: goes to the standard input as JSON.
        shows_errors: whether the error stream is this process's, for long work that reports its progress.
    """

    def __init__(self, command: Sequence[str], *, task: Record | None = None, shows_errors: bool = False) -> None:
        self._command = command
        self._files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115  # __exit__ closes them
        self._input, self._output, self._errors = self._files
        self._input.write(b"" if task is None else task.model_dump_json().encode())
        self._input.seek(0)
        self._start = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            env={"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ},
            stdin=self._input,
            stdout=self._output,
            stderr=None if shows_errors else self._errors,
        )
        self._memory = MemorySampler(self.pid)
        self._memory.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
            self._memory.stop()
        for file in self._files:
            file.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def samples(self) -> Sequence[Sample]:
        """Memory so far."""
        return self._memory.samples

    def terminate(self) -> None:
        """Sends SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> Usage:
        """Waits for the end.

        Raises:
            ProcessError: the process failed.
        """
        _, status, used = os.wait4(self.pid, 0)
        seconds, peak = time.perf_counter() - self._start, self._memory.stop()
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            printed = self.output() + _text(self._errors)
            command = " ".join(self._command)
            raise ProcessError(f"{command} ended with {self._process.returncode}:\n{printed[-_LAST_CHARACTERS:]}")
        return Usage(seconds, used.ru_utime + used.ru_stime, peak)

    def output(self) -> str:
        """What the process printed."""
        return _text(self._output)


def measured(command: Sequence[str]) -> Usage:
    """Runs a command to its end and measures it.

    Raises:
        ProcessError: the command fails.
    """
    with MeasuredProcess(command) as process:
        return process.wait()


def task_process(module: str, task: Record, *, shows_errors: bool = False) -> MeasuredProcess:
    """Starts `python -m MODULE`, whose main program calls `answer`, on a task."""
    return MeasuredProcess([sys.executable, "-m", module], task=task, shows_errors=shows_errors)


def run_task(module: str, task: Record, result: type[Result], *, shows_errors: bool = False) -> Answer[Result]:
    """Runs a module on a task to its end and measures it.

    Raises:
        ProcessError: the module fails.
    """
    with task_process(module, task, shows_errors=shows_errors) as process:
        usage = process.wait()
        return Answer(result.model_validate_json(process.output()), usage)


def answer(task: type[Task], work: Callable[[Task], Record]) -> None:
    """The main program of a module that `run_task` runs: reads the task, writes the result of `work`.

    Whatever else prints to the standard output goes to the error stream, so that the result stands alone.
    """
    result = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    found = work(task.model_validate_json(sys.stdin.read()))
    with os.fdopen(result, "w", encoding="utf-8") as stream:
        stream.write(found.model_dump_json())


def say(line: str) -> None:
    """Reports progress on the error stream."""
    print(f"  {time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def say_report(report: Report) -> None:
    """Says what a step reports; counts are left out."""
    if not isinstance(report, Advanced):
        say(str(report))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
