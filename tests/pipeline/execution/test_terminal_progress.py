"""What a run looks like on a terminal: a real one, of a process of its own."""

import re

import pytest

from tests.pipeline.execution.screen import left_on_screen, on_a_terminal

_SHOWN = """
import sys, time
from models.spec.progress import Advanced, Decided, Validated
from pipeline.execution.display import NORMAL, shown
from pipeline.execution.metadata import Step
from pipeline.execution.runner import new_run
from pathlib import Path

def validated(step, value, best, best_step):
    return Validated(epoch=1, step=step, loss=2, metric="ndcg@10", value=value, best=best, best_step=best_step)

with shown(NORMAL, "shop", new_run(Path("shop.yaml"))) as progress:
    progress.planned(["ExampleGen", "Trainer", "Evaluator", "Pusher"])
    progress.step_finished(Step("ExampleGen", "cached"), {"interactions": 1200, "a long fact": "long " * 30})
    progress.step_started("Trainer")
    progress.step_progress("short training with temperature [0.1], which takes many words to say, so two lines")
    progress.step_progress(Decided("temperature 0.2: 0.1000 after a short training"))
    for step in range(0, 40):
        progress.step_progress(Advanced(step, 100, "steps", may_end_early=True))
        time.sleep(0.05)
        if step == 20:
            progress.step_progress(validated(20, 0.5, 0.5, 20))
        if step == 30:
            progress.step_progress(validated(30, 0.25, 0.5, 20))
    time.sleep(0.5)
    progress.warned("a record is damaged")
    progress.step_finished(Step("Trainer", "run", seconds=1.5), {"loss": 0.25, "notes": ["seen [twice]"]})
    progress.step_started("Evaluator")
    progress.step_finished(Step("Evaluator", "refused", seconds=2.0), {})
"""
_BROKEN = """
from pathlib import Path
from pipeline.execution.display import NORMAL, shown
from pipeline.execution.runner import new_run

with shown(NORMAL, "shop", new_run(Path("shop.yaml"))) as progress:
    progress.step_started("Trainer")
    raise SystemExit(3)
"""
_MANY = """
import time
from pathlib import Path
import pipeline.execution.terminal_progress
from models.spec.progress import Advanced
from pipeline.execution.display import NORMAL, shown
from pipeline.execution.metadata import Step
from pipeline.execution.runner import new_run

pipeline.execution.terminal_progress._REFRESHES_A_SECOND = 300  # so that lines often meet a refresh
with shown(NORMAL, "shop", new_run(Path("shop.yaml"))) as progress:
    progress.planned([f"Step{number}" for number in range(60)])
    for number in range(60):
        progress.step_started(f"Step{number}")
        for done in range(3):
            time.sleep(0.013 * (number % 5))
            progress.step_progress(f"doing {done}")
            progress.step_progress(Advanced(done, 3, "steps"))
        progress.step_finished(Step(f"Step{number}", "run", seconds=1.0), {})
"""
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_COLOURS = re.compile(r"\x1b\[(?:\d+;)*3\dm")


def plain_lines(written: str) -> list[str]:
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "\n").split("\n")
    return [line for line in lines if line]


@pytest.fixture(scope="module", params=[80, 120])
def shown(request: pytest.FixtureRequest) -> tuple[int, str]:
    return request.param, on_a_terminal(_SHOWN, columns=request.param)


def test_steps_that_are_over_have_lines_that_stay(shown: tuple[int, str]) -> None:
    assert left_on_screen(shown[1]) == [
        "= ExampleGen    cached  interactions 1,200",
        "warning: a record is damaged",
        "✓ Trainer        1.5 s  loss 0.25",
        "    temperature 0.2: 0.1000 after a short training",
        "    seen [twice]",
        "✗ Evaluator  refused after 2.0 s",
    ]


def test_steps_to_come_are_listed_in_order(shown: tuple[int, str]) -> None:
    lines = plain_lines(shown[1])
    first = lines.index("· Evaluator")
    assert lines[first + 1] == "· Pusher"
    assert "Trainer" in "".join(lines[:first])
    assert "· ExampleGen" not in lines[first:]


def test_the_step_at_work_has_a_bar_a_rate_a_rest_and_its_metrics(shown: tuple[int, str]) -> None:
    written = "\n".join(plain_lines(shown[1]))
    assert re.search(r"Trainer +\d s +━+.* +\d+%", written)
    rates = re.findall(r"    \d+ of 100 steps, ([\d.]+) a second, at most \d+ s to go", written)
    assert rates
    assert 2 < float(rates[-1]) < 40
    assert "    ndcg@10 0.5000 at step 20, the best so far" in written
    assert "    ndcg@10 0.2500 at step 30, best 0.5000 at step 20" in written
    assert "short training with temperature [0.1]" in written


def test_no_line_is_wider_than_the_terminal_and_none_is_cut(shown: tuple[int, str]) -> None:
    columns, written = shown
    lines = plain_lines(written)
    assert max(map(len, lines)) <= columns
    assert not any("…" in line for line in lines)
    if columns == 80:
        assert "      lines" in [line.rstrip() for line in lines], "broken between words, and indented"


def test_colours_mean_something_and_can_be_turned_off(shown: tuple[int, str]) -> None:
    assert _COLOURS.search(shown[1])
    assert not _COLOURS.search(on_a_terminal(_SHOWN, NO_COLOR="1"))


def test_a_terminal_that_cannot_move_its_cursor_gets_lines() -> None:
    written = on_a_terminal(_SHOWN, TERM="dumb")
    assert "\x1b" not in written
    assert " shop Trainer: 1.5 s loss 0.25" in written


def test_the_terminal_is_given_back_when_a_step_ends_with_an_error() -> None:
    written = on_a_terminal(_BROKEN)
    assert _HIDE_CURSOR in written
    assert written.rindex(_SHOW_CURSOR) > written.rindex(_HIDE_CURSOR)


def test_no_line_is_lost_or_left_behind_while_the_live_part_grows_and_shrinks() -> None:
    written = on_a_terminal(_MANY)
    assert re.search(r"· and \d+ more\b", written), "no more are listed than there is room for"
    assert left_on_screen(written) == [f"✓ Step{number:<3}    1.0 s" for number in range(60)]
