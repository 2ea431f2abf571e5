"""Beam runners on this machine: in this process, or in several processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dataplane.beam_runner.base import BeamConfig

if TYPE_CHECKING:
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner


class InProcess(BeamConfig):
    """Runs everything in this process; needs no start-up time."""

    runner: Literal["in_process"] = "in_process"

    def concurrency(self) -> int:
        """Always 1."""
        return 1

    @contextmanager
    def connected(self) -> "Iterator[tuple[FnApiRunner, list[str]]]":
        """Beam's own runner."""
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        yield FnApiRunner(), []


class MultiProcess(BeamConfig):
    """Runs several worker processes on this machine. Each Beam pipeline starts its own, which takes seconds."""

    runner: Literal["multi_process"] = "multi_process"
    workers: int = Field(default=1, ge=1)
    """Number of worker processes."""

    def concurrency(self) -> int:
        """One bundle per worker."""
        return self.workers

    @contextmanager
    def connected(self) -> "Iterator[tuple[FnApiRunner, list[str]]]":
        """Beam's own runner with watched workers."""
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        from dataplane.beam_runner.watched_workers import watch_workers

        watch_workers()
        flags = [
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={self.workers}",
            "--default_sdk_harness_log_level=WARNING",
        ]
        yield FnApiRunner(), flags
