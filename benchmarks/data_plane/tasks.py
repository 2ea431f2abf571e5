"""What the measured processes are asked."""

from pathlib import Path
from typing import Literal, get_args

from benchmarks.harness.report import Record

Step = Literal["ingestion", "statistics", "transform"]
STEPS: tuple[Step, ...] = get_args(Step)


class StepTask(Record):
    """A data step of one contestant.

    Attributes:
        step: which.
        work: holds the events in `raw`.
        home: holds what earlier steps of the same contestant wrote.
    """

    step: Step
    work: Path
    home: Path


class ComponentTask(StepTask):
    """A data step of the pipeline.

    Attributes:
        runner: the Beam runner's name.
        job_server_jar: Flink's, where Beam's cannot be downloaded.
    """

    runner: str
    job_server_jar: Path | None = None


class Done(Record):
    """A step ended; only its cost matters."""
