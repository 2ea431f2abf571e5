"""Where a run tells how it goes: on a terminal, as lines, as JSON, in its log, or hardly at all."""

import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from models.spec.progress import Advanced, Decided, Report, Validated
from pipeline.execution.metadata import Step, now

_SECONDS_BETWEEN_LINES = 3.0
_SECONDS_BETWEEN_COUNTS = 30.0
_LOG = logging.getLogger(__name__)


class Progress(Protocol):
    """Where a run tells how it goes."""

    def planned(self, nodes: Sequence[str]) -> None:
        """The steps that the run is going to look at, in order."""

    def step_started(self, node: str) -> None:
        """A step begins to execute."""

    def step_progress(self, report: Report) -> None:
        """The step that executes reports."""

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """A step was found in the cache, finished, or failed."""

    def warned(self, line: str) -> None:
        """Something is wrong that does not stop the run."""


class QuietProgress:
    """Nothing but warnings."""

    def planned(self, nodes: Sequence[str]) -> None:
        """See `Progress`."""

    def step_started(self, node: str) -> None:
        """See `Progress`."""

    def step_progress(self, report: Report) -> None:
        """See `Progress`."""

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """See `Progress`."""

    def warned(self, line: str) -> None:
        """See `Progress`."""
        print(f"warning: {line}", file=sys.stderr, flush=True)


class _Lines(QuietProgress, ABC):
    """One line an event. Only lines about what goes on are left out if they come too fast."""

    def __init__(self, throttle: "Throttle") -> None:
        self._node = ""
        self._throttle = throttle

    def step_started(self, node: str) -> None:
        """See `Progress`."""
        self._node = node
        self._throttle.reset()
        self._line("started")

    def step_progress(self, report: Report) -> None:
        """See `Progress`."""
        if self._throttle.lets_through(report):
            self._line(text_of(report))

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """See `Progress`."""
        self._node = step.node
        self._line(step.state if step.state == "cached" else f"{outcome(step)} {', '.join(short(facts))}".rstrip())
        for note in notes(facts):
            self._line(note)

    @abstractmethod
    def _line(self, text: str) -> None:
        """Writes a line about the current step."""


class PlainProgress(_Lines):
    """Lines on the standard error stream, for pipes and schedulers."""

    def __init__(self, pipeline: str, *, every_report: bool = False) -> None:
        super().__init__(Throttle(0.0, 0.0) if every_report else Throttle())
        self._pipeline = pipeline

    def _line(self, text: str) -> None:
        print(f"{now()} {self._pipeline} {self._node}: {text}", file=sys.stderr, flush=True)


class LogProgress(_Lines):
    """The same lines in the run's log."""

    def __init__(self) -> None:
        super().__init__(Throttle())

    def warned(self, line: str) -> None:
        """See `Progress`."""
        _LOG.warning("%s", line)

    def _line(self, text: str) -> None:
        _LOG.info("%s: %s", self._node, text)


class Both:
    """Tells one after the other."""

    def __init__(self, *told: Progress) -> None:
        self._told = told

    def planned(self, nodes: Sequence[str]) -> None:
        """See `Progress`."""
        for each in self._told:
            each.planned(nodes)

    def step_started(self, node: str) -> None:
        """See `Progress`."""
        for each in self._told:
            each.step_started(node)

    def step_progress(self, report: Report) -> None:
        """See `Progress`."""
        for each in self._told:
            each.step_progress(report)

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """See `Progress`."""
        for each in self._told:
            each.step_finished(step, facts)

    def warned(self, line: str) -> None:
        """See `Progress`."""
        for each in self._told:
            each.warned(line)


class Throttle:
    """Lets every validation and every decision through, and of all other reports one every few seconds."""

    def __init__(self, texts: float = _SECONDS_BETWEEN_LINES, counts: float = _SECONDS_BETWEEN_COUNTS) -> None:
        self._seconds = {str: texts, Advanced: counts}
        self._last: dict[type, float] = {}

    def reset(self) -> None:
        """A step begins: its first text is let through, its first count only after a while."""
        self._last = {Advanced: time.monotonic()}

    def lets_through(self, report: Report) -> bool:
        """Whether a report is to be told."""
        if isinstance(report, Validated | Decided):
            return True
        if time.monotonic() - self._last.get(type(report), -1e9) < self._seconds[type(report)]:
            return False
        self._last[type(report)] = time.monotonic()
        return True


def text_of(report: Report) -> str:
    """A report in words."""
    return counted(report) if isinstance(report, Advanced) else str(report)


def counted(report: Advanced) -> str:
    """How much is done, such as "1,200 of 4,000 steps" and "5.2 of 80.0 MB"."""
    if report.unit == "bytes":
        return f"{report.done / 1e6:,.1f} of {report.total / 1e6:,.1f} MB"
    return f"{report.done:,} of {report.total:,} {report.unit}"


def notes(facts: Mapping[str, object]) -> list[str]:
    """What a step wants seen in every run that stands on it, as a line each."""
    found = facts.get("notes", [])
    return [str(note) for note in found] if isinstance(found, list) else []


def outcome(step: Step) -> str:
    """How a step that was executed ended, and after how long."""
    return f"{step.seconds:.1f} s" if step.state == "run" else f"{step.state} after {step.seconds:.1f} s"


def short(facts: Mapping[str, object]) -> list[str]:
    """The facts that are numbers and short words, with their names."""
    facts = {**facts, "version": str(facts["version"])} if "version" in facts else facts  # a name, not a count
    return [f"{name} {_short(value)}" for name, value in facts.items() if isinstance(value, int | float | str)]


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
