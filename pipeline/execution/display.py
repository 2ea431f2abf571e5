"""Chooses how a run is shown."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pipeline.execution.json_lines import JsonProgress
from pipeline.execution.metadata import Run
from pipeline.execution.progress import PlainProgress, Progress, QuietProgress


@dataclass(frozen=True)
class Display:
    """What the command line says about the display.

    Attributes:
        amount: "quiet" shows warnings and errors alone; "verbose" shows every report and what libraries log.
        log_format: "json" writes one object a line to the standard error stream, and nothing else anywhere.
    """

    amount: Literal["quiet", "normal", "verbose"] = "normal"
    log_format: Literal["text", "json"] = "text"


NORMAL = Display()


@contextmanager
def shown(display: Display, pipeline: str, run: Run) -> Iterator[Progress]:
    """Yields where a run tells how it goes; ends any live display on exit.

    A terminal gets a live display, unless lines are asked for or it cannot move its cursor (TERM=dumb).
    """
    if display.log_format == "json":
        yield JsonProgress(pipeline, run.id)
    elif display.amount == "quiet":
        yield QuietProgress()
    elif display.amount == "verbose" or not sys.stderr.isatty():
        yield PlainProgress(pipeline, every_report=display.amount == "verbose")
    else:
        from pipeline.execution.terminal_progress import TerminalProgress, WholeOutputs

        console = WholeOutputs()
        if console.is_dumb_terminal:
            yield PlainProgress(pipeline)
            return
        with TerminalProgress(console) as progress:
            yield progress
