"""Which Beam runner executes the data steps, by name, and how a pipeline for it is made.

The runner is always named explicitly: Beam's default `DirectRunner` switches between implementations and one
of them is downloaded at run time, so the in-process runner here is `FnApiRunner`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from components import errors
from models.strict import Strict

if TYPE_CHECKING:
    import apache_beam as beam

_STEP = re.compile(r" \[while running .*\Z", re.DOTALL)
"""What Beam adds to the message of an error."""
_TOLD = re.compile(
    rf"^{errors.__name__}\.(?P<kind>\w+): (?P<message>.*?)(?=^\S*Traceback |\Z)", re.DOTALL | re.MULTILINE
)


class BeamConfig(Strict):
    """How data steps are executed. Changes speed, never results."""

    runner: Literal["in_process", "multi_process"] = "in_process"
    """`in_process`: one process, starts at once. `multi_process`: one worker process per core, ~20 s to start."""
    workers: int = Field(default=1, ge=1)
    """Worker processes of the `multi_process` runner."""

    @contextmanager
    def pipeline(self) -> "Iterator[beam.Pipeline]":
        """A new Beam pipeline on the configured runner, which runs when the block ends.

        Raises:
            PipelineError: as a step raised it, whichever process it ran in.
        """
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        flags = []
        if self.runner == "multi_process":
            flags = [
                "--direct_running_mode=multi_processing",
                f"--direct_num_workers={self.workers}",
                "--default_sdk_harness_log_level=WARNING",
            ]
        # Command-line arguments of this process must not leak into Beam's options, hence the explicit flags.
        options = PipelineOptions(flags=flags, save_main_session=False)
        try:
            with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
                yield pipeline
        except errors.PipelineError as error:
            raise type(error)(_STEP.sub("", str(error))) from error
        except RuntimeError as error:
            # From another process only the text of its traceback arrives.
            told = list(_TOLD.finditer(str(error)))
            kind = getattr(errors, told[-1]["kind"], None) if told else None
            if kind is None:
                raise
            raise kind(_STEP.sub("", told[-1]["message"].rstrip())) from error
