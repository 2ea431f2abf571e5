"""The data steps of one night, in a process of its own."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.processes import answer
from benchmarks.harness.report import Record
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.metadata import Step, Store
from pipeline.execution.progress import QuietProgress
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection


class NightTask(Record):
    """A night of a pipeline whose interactions have spans."""

    config: Path
    root: Path
    span: str


class NightDone(Record):
    """CPU-seconds of each step, without the process's start, and the spans that were read."""

    steps: dict[str, float]
    read: int


class _CpuSeconds(QuietProgress):
    """Measures each step."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._began = 0.0

    def planned(self, nodes: Sequence[str]) -> None:
        """Starts the clock."""
        self._began = time.process_time()

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """Ends a step, its key and its record included."""
        now = time.process_time()
        self.steps[step.node] = now - self._began
        self._began = now


def run(task: NightTask) -> NightDone:
    """Runs the steps up to Transform."""
    config = load_config(task.config, [f'data.spans.span="{task.span}"'])
    progress = _CpuSeconds()
    runner = LocalRunner(Store(task.root, config.name), config.beam, progress)
    done = runner.run(create_pipeline(config, task.root).until("Transform"), new_run(task.config), Selection())
    return NightDone(steps=progress.steps, read=len(done["ExampleGen"].facts["spans"]["read"]))


if __name__ == "__main__":
    answer(NightTask, run)
