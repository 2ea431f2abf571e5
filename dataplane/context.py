"""What a step of the pipeline gets from whoever runs it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.beam_runner import BeamConfig, InProcess


@dataclass(frozen=True)
class ExecutionContext:
    """What an executor gets from whoever runs it; nothing here may change its results.

    Attributes:
        beam: which Beam runner the data steps use.
        progress: takes one short line about how far the step is.
        warn: takes a line that has to stay on the screen.
        scratch: a directory for temporary files, removed by the runner afterwards.
        resume: a directory that an interrupted execution leaves to the next one with the same inputs, parameters and
            code, and that is removed once one is done; None if nothing is to be left.
    """

    beam: BeamConfig = field(default_factory=InProcess)
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
