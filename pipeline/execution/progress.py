"""How a run looks: a live line per step on a terminal, plain lines with times elsewhere."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from pipeline.execution.metadata import Step, now
from pipeline.execution.runner import Progress

_SECONDS_BETWEEN_LINES = 3.0
_MARKS = {"cached": "=", "run": "✓", "failed": "✗", "refused": "✗", "interrupted": "✗"}


@contextmanager
def make_progress(pipeline: str) -> Iterator[Progress]:
    """Progress for the standard error stream; ends any live display on exit."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with TerminalProgress(console) as progress:
            yield progress
    else:
        yield PlainProgress(pipeline)


class PlainProgress:
    """One line an event, for logs and schedulers."""

    def __init__(self, pipeline: str) -> None:
        self.pipeline = pipeline
        self._node = ""
        self._last = 0.0

    def step_started(self, node: str) -> None:
        """See `Progress`."""
        self._node, self._last = node, 0.0
        self._print("started")

    def step_progress(self, line: str) -> None:
        """See `Progress`; a log gets no more than a line every few seconds."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._print(line)

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """See `Progress`."""
        self._node = step.node
        self._print(step.state if step.state == "cached" else f"{_outcome(step)} {_told(facts)}".rstrip())
        for note in notes(facts):
            self._print(note)

    def _print(self, text: str) -> None:
        print(f"{now()} {self.pipeline} {self._node}: {text}", file=sys.stderr, flush=True)


class TerminalProgress:
    """A spinner for the step at work, and a line for each step that is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status(self, console=console)
        self._node = ""
        self._line = ""
        self._began = 0.0

    def __rich__(self) -> Text:
        # Asked for at every turn of the spinner, so that the seconds go on.
        elapsed = f"{time.monotonic() - self._began:.0f} s"
        return Text(f"{self._node}  {elapsed}  {self._line}", no_wrap=True, overflow="ellipsis")

    def __enter__(self) -> "TerminalProgress":
        return self

    def __exit__(self, *error: object) -> None:
        self._status.stop()

    def step_started(self, node: str) -> None:
        """See `Progress`."""
        self._node, self._line, self._began = node, "", time.monotonic()
        self._status.start()

    def step_progress(self, line: str) -> None:
        """See `Progress`."""
        self._line = line

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """See `Progress`."""
        self._status.stop()
        state = "cached" if step.state == "cached" else _outcome(step)
        line = f"{_MARKS[step.state]} {step.node:<21} {state:<12} {_told(facts)}"
        self._console.print(line.rstrip(), markup=False, no_wrap=True, overflow="ellipsis")
        for note in notes(facts):
            self._console.print(f"  {note}", markup=False)


def notes(facts: Mapping[str, object]) -> list[str]:
    """What a step wants seen in every run that stands on it, as a line each."""
    found = facts.get("notes", [])
    return [str(note) for note in found] if isinstance(found, list) else []


def _outcome(step: Step) -> str:
    return f"{step.seconds:.1f} s" if step.state == "run" else f"{step.state} after {step.seconds:.1f} s"


def _told(facts: Mapping[str, object]) -> str:
    """The facts that fit on a line: numbers and short words."""
    facts = {**facts, "version": str(facts["version"])} if "version" in facts else facts  # a name, not a count
    shown = [f"{name} {_short(value)}" for name, value in facts.items() if isinstance(value, int | float | str)]
    return ", ".join(shown)[:160]


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
