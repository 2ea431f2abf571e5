"""A process ends when its work does: after a summary, a failure and a signal, also where others use the processors."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pipeline.execution.metadata import Store
from tests.e2e.conftest import QUICK, Project

pytestmark = pytest.mark.e2e

_HANGS = 180
"""Seconds after which a process that has nothing left to do is taken to hang; it takes two on an idle machine."""
_BUSY = [sys.executable, "-S", "-c", "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Has the configuration `ends`, whose training makes three trials; its data steps are run once."""
    project = Project(tmp_path_factory.mktemp("ends"))
    project.write_config(
        "ends",
        data={"interactions": {"format": "synthetic", "queries": 120, "candidates": 60, "events_per_query": 8}},
        recommendations=None,
        evaluation={"min_lift_over_popularity": None},
        **{**QUICK, "model": QUICK["model"] | {"temperature": "auto"}},
    )
    return project


@contextmanager
def busy() -> Iterator[None]:
    """Other processes that use all processors."""
    others = [subprocess.Popen(_BUSY) for _ in range((os.cpu_count() or 1) + 1)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def start(project: Project, *options: str) -> subprocess.Popen:
    config, root = project.directory / "ends.yaml", project.root
    command = [sys.executable, "-m", "pipeline", "run", str(config), "--root", str(root), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def told_until(process: subprocess.Popen, last: str) -> str:
    """Everything the process says up to a line that has `last`, or to its end."""
    told = []
    for line in process.stdout:
        told.append(line)
        if last in line:
            break
    return "".join(told)


def end(process: subprocess.Popen, last: str) -> str:
    """What the process says, whose end is to come soon after a line that has `last`."""
    with process:
        try:
            return told_until(process, last) + process.communicate(timeout=_HANGS)[0]
        finally:
            process.kill()


def wait(process: subprocess.Popen, until: Callable[[], bool]) -> None:
    while process.poll() is None and not until():
        time.sleep(0.01)


def test_a_run_that_tried_three_temperatures_ends_after_its_summary(project):
    process = start(project)
    told = told_until(process, "Trainer: started")
    with busy():
        told += told_until(process, "Evaluator: started")
    told += told_until(process, "Pusher: started")
    with busy():
        told += end(process, "python -m pipeline recommend")
    assert process.returncode == 0, told
    assert len(project.artifact("ends", "Trainer", "model").read_json("training.json")["tried"]) == 3


def test_a_run_whose_training_diverges_ends_after_it_said_so(project):
    process = start(project, "--set=training.learning_rate=1e30")
    told = end(process, "error: ")
    assert process.returncode == 3, told
    assert "lower training.learning_rate" in told.lower()


def test_a_run_that_is_told_to_stop_in_its_training_ends(project):
    process = start(project, "--set=training.max_epochs=2000", "--set=training.patience=2000")
    wait(process, lambda: any((project.root / "ends" / ".resume" / "Trainer").glob("*/*/state.json")))
    process.send_signal(signal.SIGTERM)
    told = end(process, "error: ")
    assert process.returncode == 3, told
    assert "interrupted" in told
    assert project.states("ends")["Trainer"] == "interrupted"


@pytest.mark.parametrize("runner", ["in_process", "multi_process"])
def test_a_run_that_is_told_to_stop_in_a_step_on_beam_is_interrupted(project, runner):
    options = ("--set=data.interactions.queries=3000000", f"--set=beam.runner={runner}", "--no-cache")
    examples, before = project.root / "ends" / "ExampleGen", set(project.root.glob("ends/ExampleGen/*"))
    process = start(project, *options)
    wait(process, lambda: any(file.parents[1] not in before for file in examples.glob("*/*/*")))
    process.send_signal(signal.SIGTERM)
    told = end(process, "error: ")
    assert process.returncode == 3, told
    assert "error: interrupted" in told
    assert project.states("ends")["ExampleGen"] == "interrupted"
    assert Store(project.root, "ends").runs()[-1].state == "interrupted"
