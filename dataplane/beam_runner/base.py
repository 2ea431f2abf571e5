"""The base class of all Beam runners."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from models.spec.strict import Strict

if TYPE_CHECKING:
    import apache_beam as beam


class BeamConfig(Strict, ABC):
    """Configuration of a Beam runner. It changes speed, never results.

    Attributes:
        runner: name of the runner in configurations.
    """

    runner: str

    @abstractmethod
    def concurrency(self) -> int:
        """Number of bundles processed at the same time."""

    @abstractmethod
    def connected(self) -> AbstractContextManager[tuple[Any, list[str]]]:
        """Gives the Beam runner and the flags of its options, valid inside the `with` block."""

    def check(self) -> None:
        """Checks that the requirements of the runner are met, before anything heavy is loaded.

        Raises:
            ConfigError: a requirement is missing; the message says what to do.
        """

    def check_workers(self, root: Path) -> None:
        """Checks that workers on other machines see the same files below `root` as this process.

        Raises:
            RunError: a worker does not see them.
        """

    def exposure(self) -> str:
        """A warning about what other machines can reach on this one; empty if nothing."""
        return ""

    def anchored(self, directory: Path) -> Self:
        """A copy whose relative paths start from `directory`."""
        return self.model_copy(update={name: directory / value for name, value in self if isinstance(value, Path)})

    @contextmanager
    def pipeline(self) -> "Iterator[beam.Pipeline]":
        """A new Beam pipeline on the configured runner; it runs at the end of the `with` block.

        Raises:
            PipelineError: as raised by a step in any process; `RunError` if the runner failed.
            OSError: as raised by a step.
            KeyboardInterrupt: a signal asked this process to stop.
        """
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        from dataplane.beam_runner.failures import as_raised, interrupts_kept, threads_to_log
        from dataplane.beam_runner.loopback import on_loopback
        from dataplane.beam_runner.notebooks import as_in_scripts

        with (
            interrupts_kept(), as_raised(), threads_to_log(), on_loopback(), as_in_scripts(),
            self.connected() as (runner, flags),
        ):  # fmt: skip
            # The flags are explicit, so that command-line arguments of this process do not leak into Beam's options.
            pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(flags=flags, save_main_session=False))
            yield pipeline
            result = pipeline.run()
            try:
                result.wait_until_finish()
            except KeyboardInterrupt:
                result.cancel()
                raise
