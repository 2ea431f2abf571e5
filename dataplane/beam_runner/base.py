"""What all runners have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from models.spec.strict import Strict

if TYPE_CHECKING:
    import apache_beam as beam


class BeamConfig(Strict, ABC):
    """How data steps are executed. Changes speed, never results.

    Attributes:
        runner: its name in configurations.
    """

    runner: str

    @abstractmethod
    def concurrency(self) -> int:
        """How many bundles are worked on at the same time."""

    @abstractmethod
    def connected(self) -> AbstractContextManager[tuple[Any, list[str]]]:
        """The Beam runner and the flags of its options, usable while the block lasts."""

    def check(self) -> None:
        """Looks whether what the runner needs is there, before anything heavy is loaded.

        Raises:
            ConfigError: it is not; the message says what to do.
        """

    def check_workers(self, root: Path) -> None:
        """Makes sure that workers elsewhere see the files below `root` as this process does.

        Raises:
            RunError: they do not.
        """

    def exposure(self) -> str:
        """What of it other machines can reach, for the user to know; empty if nothing."""
        return ""

    def anchored(self, directory: Path) -> Self:
        """The same with relative paths starting from `directory`."""
        return self.model_copy(update={name: directory / value for name, value in self if isinstance(value, Path)})

    @contextmanager
    def pipeline(self) -> "Iterator[beam.Pipeline]":
        """A new Beam pipeline on the configured runner, which runs when the block ends.

        Raises:
            PipelineError: as a step raised it, whichever process it ran in; `RunError` if the runner broke down.
            OSError: as a step met it.
            KeyboardInterrupt: a signal asked this process to stop.
        """
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        from dataplane.beam_runner.failures import as_raised, interrupts_kept, threads_to_log
        from dataplane.beam_runner.loopback import on_loopback

        with interrupts_kept(), as_raised(), threads_to_log(), on_loopback(), self.connected() as (runner, flags):
            # Command-line arguments of this process must not leak into Beam's options, hence the explicit flags.
            pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(flags=flags, save_main_session=False))
            yield pipeline
            result = pipeline.run()
            try:
                result.wait_until_finish()
            except KeyboardInterrupt:
                result.cancel()
                raise
