"""What a step of the pipeline gets from whoever runs it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import apache_beam as beam


class BeamRunner(Protocol):
    """Executes Beam pipelines; which runner does it changes speed, never results.

    Steps know no more of `dataplane.beam_runner`, so that none is executed again when a runner starts differently.
    """

    def concurrency(self) -> int:
        """How many bundles are worked on at the same time."""

    def pipeline(self) -> "AbstractContextManager[beam.Pipeline]":
        """A new Beam pipeline, which runs when the block ends."""


class NoBeamRunner:
    """Stands where no runner was given, which is enough for steps without Beam."""

    def concurrency(self) -> int:
        """One."""
        return 1

    def pipeline(self) -> "AbstractContextManager[beam.Pipeline]":
        """None.

        Raises:
            ValueError: always.
        """
        raise ValueError("this step needs a Beam runner: ExecutionContext(beam=InProcess())")


@dataclass(frozen=True)
class ExecutionContext:
    """What an executor gets from whoever runs it; nothing here may change its results.

    Attributes:
        beam: the Beam runner of the data steps.
        progress: takes one short line about how far the step is.
        warn: takes a line that has to stay on the screen.
        scratch: a directory for temporary files, removed by the runner afterwards.
        resume: a directory that an interrupted execution leaves to the next one with the same inputs, parameters and
            code, and that is removed once one is done; None if nothing is to be left.
    """

    beam: BeamRunner = field(default_factory=NoBeamRunner)
    progress: Callable[[str], None] = lambda line: None
    warn: Callable[[str], None] = lambda line: None
    scratch: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    resume: Path | None = None

    @contextmanager
    def scratch_directory(self) -> Iterator[Path]:
        """A fresh directory below `scratch`, removed when the block ends."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.scratch) as name:
            yield Path(name)
