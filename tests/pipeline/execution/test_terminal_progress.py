"""What a run looks like on a terminal: a real one, of a process of its own."""

import os
import pty
import re
import subprocess
import sys

_SHOWN = """
import time
from pipeline.execution.metadata import Step
from pipeline.execution.progress import make_progress

with make_progress("shop") as progress:
    progress.step_finished(Step("ExampleGen", "cached"), {"interactions": 1200})
    progress.step_started("Trainer")
    progress.step_progress("step 7 [of 9]")
    time.sleep(2.2)
    progress.step_finished(Step("Trainer", "run", seconds=1.5), {"loss": 0.25, "notes": ["seen [twice]"]})
    progress.step_started("Evaluator")
    progress.step_finished(Step("Evaluator", "refused", seconds=2.0), {})
"""
_BROKEN = """
from pipeline.execution.progress import make_progress

with make_progress("shop") as progress:
    progress.step_started("Trainer")
    raise SystemExit(3)
"""
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def on_a_terminal(script: str) -> str:
    """Everything that a script writes to its terminal."""
    terminal, other_end = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen([sys.executable, "-c", script], stderr=other_end, env=environment):
        os.close(other_end)
        written = b""
        try:
            while block := os.read(terminal, 65536):
                written += block
        except OSError:  # Linux's end of a terminal that nobody has open any more
            pass
    os.close(terminal)
    return written.decode()


def test_the_step_at_work_has_a_line_that_goes_on_and_those_that_are_over_have_one_that_stays() -> None:
    written = on_a_terminal(_SHOWN)
    assert len(set(re.findall(r"Trainer  \d s  step 7 \[of 9]", written))) > 1, "the seconds go on"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "\n")
    lines = [line.strip() for line in plain.split("\n")]
    stays = [
        "= ExampleGen            cached       interactions 1,200",
        "✓ Trainer               1.5 s        loss 0.25",
        "seen [twice]",
        "✗ Evaluator             refused after 2.0 s",
    ]
    assert [line for line in lines if line in stays] == stays


def test_the_terminal_is_given_back_when_a_step_ends_with_an_error() -> None:
    written = on_a_terminal(_BROKEN)
    assert _HIDE_CURSOR in written
    assert written.rindex(_SHOW_CURSOR) > written.rindex(_HIDE_CURSOR)
