"""A run on a terminal: a line for each step that is over, and below them a live part for those that are not.

Everything is laid out in the width of the terminal: no line is cut, and lines break only between words.
"""

import textwrap
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress as Rates
from rich.progress import Task
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from models.spec.progress import Advanced, Decided, Report, Validated
from pipeline.execution.metadata import Step
from pipeline.execution.progress import counted, notes, outcome, short

_MARKS = {
    "cached": ("=", "dim"),
    "run": ("✓", "green"),
    "failed": ("✗", "red"),
    "refused": ("✗", "red"),
    "interrupted": ("✗", "yellow"),
}
_REFRESHES_A_SECOND = 6
_SECONDS_WIDTH = 9
_WIDEST_BAR = 40
_DECISIONS_SHOWN = 4
_INDENT = "    "


class StepAtWork:
    """The step at work. Values are replaced whole, because one thread reports and another one shows."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.began = time.monotonic()
        self.activity = ""
        self.validated: Validated | None = None
        self.decisions: list[str] = []
        self.advanced: Advanced | None = None
        self._rates = Rates(auto_refresh=False)
        self._task: Task | None = None

    def take(self, report: Report) -> None:
        """Takes a report of the step."""
        if isinstance(report, Advanced):
            self._advance(report)
        elif isinstance(report, Validated):
            self.validated = report
        elif isinstance(report, Decided):
            self.decisions.append(str(report))
        else:
            self.activity, self.advanced, self.validated = report, None, None

    def pace(self) -> str:
        """How far the step is, how fast, and how long it still takes."""
        now, task = self.advanced, self._task
        if now is None or task is None:
            return ""
        parts = [counted(now)]
        if now.done == now.total:
            parts.append("finishing")
        elif task.speed:
            parts.append(_rate(task.speed, now.unit))
            if task.time_remaining:
                parts.append(f"{'at most ' if now.may_end_early else ''}{_duration(task.time_remaining)} to go")
        return ", ".join(parts)

    def _advance(self, report: Advanced) -> None:
        before = self.advanced
        if before is None or (before.total, before.unit) != (report.total, report.unit) or report.done < before.done:
            self._rates.add_task("", total=report.total, completed=report.done)
            self._task = self._rates.tasks[-1]
        elif self._task is not None:
            self._rates.update(self._task.id, completed=report.done)
        self.advanced = report


class WholeOutputs(Console):
    """A console on which no thread writes while another one does.

    A line printed between the layout of a live part and its output would move the cursor by the wrong number of lines.
    """

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, markup=False, emoji=False)
        self._whole = threading.RLock()

    def __enter__(self) -> Self:
        self._whole.acquire()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)
        finally:
            self._whole.release()


class TerminalProgress:
    """The steps that are over, the one at work with a bar, rate and metrics, and those that are to come."""

    def __init__(self, console: WholeOutputs) -> None:
        self._console = console
        self._spinner = Spinner("dots")
        self._waiting: list[str] = []
        self._at_work: StepAtWork | None = None
        self._name_width = 0
        self._live = Live(
            get_renderable=self._live_part,
            console=console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
        )
        self._ended = threading.Event()
        self._refreshing = threading.Thread(target=self._refresh, daemon=True)

    def __enter__(self) -> Self:
        with self._console:
            self._live.start()
        self._refreshing.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._refreshing.join()
        with self._console:
            self._live.stop()

    def planned(self, nodes: Sequence[str]) -> None:
        """See `Progress`."""
        self._waiting = list(nodes)
        self._name_width = max(map(len, nodes), default=0)

    def step_started(self, node: str) -> None:
        """See `Progress`."""
        self._at_work = StepAtWork(node)
        self._no_longer_waiting(node)

    def step_progress(self, report: Report) -> None:
        """See `Progress`."""
        if self._at_work is not None:
            self._at_work.take(report)

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """See `Progress`."""
        decisions = self._at_work.decisions if self._at_work is not None else []
        self._at_work = None
        self._no_longer_waiting(step.node)
        mark, style = _MARKS[step.state]
        took = "cached" if step.state == "cached" else outcome(step)
        line = f"{mark} {step.node:<{self._name_width}} {took:>{_SECONDS_WIDTH}}"
        fitting = _fitting(short(facts), self._console.width - len(line) - 2)
        text = Text(f"{line}  {fitting}".rstrip(), style="dim" if step.state == "cached" else "")
        text.stylize(style, 0, 1 if style in ("green", "dim") else len(line))
        self._print([text, *self._wrapped(decisions, "dim"), *self._wrapped(notes(facts), "yellow")])

    def warned(self, line: str) -> None:
        """See `Progress`."""
        self._print(self._wrapped([f"warning: {line}"], "yellow", indent=""))

    def _print(self, lines: Sequence[Text]) -> None:
        """Prints lines that stay, and what is to be below them from now on, at once."""
        with self._console:
            self._console.print(Group(*lines))
            self._live.refresh()

    def _refresh(self) -> None:
        while not self._ended.wait(1 / _REFRESHES_A_SECOND):
            with self._console:
                self._live.refresh()

    def _no_longer_waiting(self, node: str) -> None:
        if node in self._waiting:
            self._waiting = self._waiting[self._waiting.index(node) + 1 :]

    def _live_part(self) -> RenderableType:
        lines: list[RenderableType] = [] if self._at_work is None else self._step_lines(self._at_work)
        room = self._console.height - len(lines) - 3
        shown = self._waiting if len(self._waiting) <= room else self._waiting[: max(0, room - 1)]
        lines += [Text(f"· {node}", style="dim") for node in shown]
        if more := len(self._waiting) - len(shown):
            lines.append(Text(f"· and {more} more", style="dim"))
        return Group(*lines, "")  # a shell's "Killed" then has a line of its own

    def _step_lines(self, step: StepAtWork) -> list[RenderableType]:
        lines: list[RenderableType] = [self._headline(step)]
        lines += self._wrapped([step.activity, step.pace()])
        if (found := step.validated) is not None:
            is_best = found.step == found.best_step
            told = f"{found.metric} {found.value:.4f} at step {found.step:,}"
            best = "the best so far" if is_best else f"best {found.best:.4f} at step {found.best_step:,}"
            lines += self._wrapped([f"{told}, {best}"], "green" if is_best else "")
        return lines + self._wrapped(step.decisions[-_DECISIONS_SHOWN:], "dim")

    def _headline(self, step: StepAtWork) -> Table:
        grid = Table.grid(padding=(0, 1, 0, 0))
        seconds = f"{time.monotonic() - step.began:.0f} s"
        cells: list[RenderableType] = [
            self._spinner,
            Text(f"{step.node:<{self._name_width}}", style="bold"),
            Text(f"{seconds:>{_SECONDS_WIDTH}} "),
        ]
        if (found := step.advanced) is not None:
            room = self._console.width - self._name_width - _SECONDS_WIDTH - 11
            cells.append(ProgressBar(found.total, found.done, width=max(4, min(_WIDEST_BAR, room))))
            cells.append(Text(f"{found.done / found.total:4.0%}" if found.total else ""))
        for _ in cells:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        return grid

    def _wrapped(self, lines: Sequence[str], style: str = "", indent: str = _INDENT) -> list[Text]:
        width = max(20, self._console.width)
        after = indent + "  "
        found = [
            textwrap.wrap(line, width, initial_indent=indent, subsequent_indent=after, break_on_hyphens=False)
            for line in lines
        ]
        return [Text(part, style=style) for parts in found for part in parts]


def _fitting(facts: Sequence[str], width: int) -> str:
    """As many of the first facts as fit on the line, each of them whole."""
    told = ""
    for fact in facts:
        longer = f"{told}, {fact}" if told else fact
        if len(longer) > width:
            break
        told = longer
    return told


def _rate(speed: float, unit: str) -> str:
    if unit == "bytes":
        return f"{speed / 1e6:,.1f} MB a second"
    return f"{speed:,.0f} a second" if speed >= 10 else f"{speed:.1f} a second"


def _duration(seconds: float) -> str:
    """Such as "9 s", "2 min 5 s" and "1 h 3 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
