"""Services that a runner gives to a step of the pipeline."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models.spec.progress import Progress, unheard

if TYPE_CHECKING:
    import apache_beam as beam

    from dataplane.parts import Parts


class BeamRunner(Protocol):
    """Runs Beam pipelines. The choice of the runner affects speed, never results.

    Steps know only this protocol and not `dataplane.beam_runner`, so cache keys do not depend on how runners start.
    """

    def concurrency(self) -> int:
        """Number of bundles that are processed at the same time."""

    def pipeline(self) -> "AbstractContextManager[beam.Pipeline]":
        """Makes a Beam pipeline, which runs when the block ends."""


class NoBeamRunner:
    """Default runner, for steps without Beam."""

    def concurrency(self) -> int:
        """Returns 1."""
        return 1

    def pipeline(self) -> "AbstractContextManager[beam.Pipeline]":
        """Refuses to make a pipeline.

        Raises:
            ValueError: always.
        """
        raise ValueError("this step needs a Beam runner: ExecutionContext(beam=InProcess())")


@dataclass(frozen=True)
class ExecutionContext:
    """Services for an executor. They must not affect its results.

    Attributes:
        beam: Beam runner of the data steps.
        progress: receives what the step does, how far it is, and its validations and decisions.
        warn: called with lines that stay on the screen.
        scratch: directory for temporary files; the runner removes it afterwards.
        resume: directory that keeps the state of an interrupted execution for the next one with the same inputs,
            parameters and code; removed after a finished execution. None keeps no state.
        parts: parts of earlier results, such as the rows of a span. None makes all parts again.
    """

    beam: BeamRunner = field(default_factory=NoBeamRunner)
    progress: Progress = unheard
    warn: Callable[[str], None] = lambda line: None
    scratch: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    resume: Path | None = None
    parts: "Parts | None" = None

    @contextmanager
    def scratch_directory(self) -> Iterator[Path]:
        """Yields an empty directory below `scratch`, which is removed when the block ends."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.scratch) as name:
            yield Path(name)
