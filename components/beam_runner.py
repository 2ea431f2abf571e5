"""Which Beam runner executes the data steps, by name, and how a pipeline for it is made.

The runner is always named explicitly: Beam's default `DirectRunner` switches between implementations and one
of them is downloaded at run time, so the in-process runner here is `FnApiRunner`.
"""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from models.strict import Strict

if TYPE_CHECKING:
    import apache_beam as beam


class BeamConfig(Strict):
    """How data steps are executed. Changes speed, never results."""

    runner: Literal["in_process", "multi_process"] = "in_process"
    """`in_process`: one process, starts at once. `multi_process`: one worker process per core, ~20 s to start."""
    workers: int = Field(default=1, ge=1)
    """Worker processes of the `multi_process` runner."""

    def pipeline(self) -> "beam.Pipeline":
        """A new Beam pipeline on the configured runner; use it as a context manager."""
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        flags = []
        if self.runner == "multi_process":
            flags = ["--direct_running_mode=multi_processing", f"--direct_num_workers={self.workers}"]
        # Command-line arguments of this process must not leak into Beam's options, hence the explicit flags.
        return beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(flags=flags, save_main_session=False))
