"""What commands that execute steps share: a record, a log, a display, and an end in order."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.errors import InternalError, InterruptedRunError, InUseError, PipelineError, RunError
from dataplane.errors.disk_errors import disk_error
from pipeline.config.config import PipelineConfig
from pipeline.config.settings import settings_given
from pipeline.execution.dag import Pipeline
from pipeline.execution.display import NORMAL, Display, shown
from pipeline.execution.metadata import Execution, Run, Step, Store
from pipeline.execution.progress import Both, LogProgress, Progress
from pipeline.execution.run_log import log_to, native_lines_in
from pipeline.execution.runner import LocalRunner, internal_error, new_run, state_after
from pipeline.execution.selection import Selection

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """One command that executes steps, and perhaps trains beside them.

    Attributes:
        config: the checked configuration.
        store: the records of its pipeline.
        run: the record of this run.
        progress: told how it goes.
    """

    config: PipelineConfig
    store: Store
    run: Run
    progress: Progress = field(repr=False)

    def execute(
        self, pipeline: Pipeline, selection: Selection | None = None, given: Mapping[str, Execution] | None = None
    ) -> dict[str, Execution]:
        """Runs steps, see `LocalRunner.run`; those that are done are not done again unless `selection` says so."""
        runner = LocalRunner(self.store, self.config.beam, self.progress)
        return runner.run(pipeline, self.run, selection or Selection(), given)

    @contextmanager
    def step(self, node: str) -> Iterator[dict[str, object]]:
        """Shows what the block does as a step, though it has no record; the block fills in facts."""
        step, began, facts = Step(node, "run"), time.monotonic(), dict[str, object]()
        self.progress.step_started(node)
        try:
            yield facts
        except BaseException as error:
            step.state = state_after(error)
            raise
        finally:
            step.seconds = time.monotonic() - began
            self.progress.step_finished(step, facts)


@contextmanager
def open_session(
    config: PipelineConfig, *, file: Path, root: Path, again: str, display: Display = NORMAL
) -> Iterator[Session]:
    """Yields a session. Whatever ends its block early is told in one line, with the command that continues.

    What libraries log goes to the run's log.

    Args:
        config: the checked configuration.
        file: where it was read from.
        root: where artifacts and records are kept.
        again: the command line that continues an interrupted session.
        display: how much is shown, and in which form.

    Raises:
        ConfigError: the root cannot be written to.
        InternalError: nobody foresaw what went wrong; the log has the traceback.
        PipelineError: what the block raised, with a hint whether the same command continues or a change is needed;
            `InterruptedRunError` if it was interrupted, `RunError` also if the file system failed.
    """
    run = new_run(file, settings_given(config), config.data.base_dir)
    log = Store(root, config.name).log_file(run)
    log_to(log, verbose=display.amount == "verbose")
    resume = f"Finished work is kept; the same command continues: {again}"
    natives = nullcontext() if display.amount == "verbose" else native_lines_in(log)
    try:
        with natives, shown(display, config.name, run) as screen, _end_in_log():
            progress = Both(screen, LogProgress())
            yield Session(config, Store(root, config.name, progress.warned), run, progress)
    except KeyboardInterrupt:
        raise InterruptedRunError(f"interrupted\n{resume}") from None
    except InUseError:
        raise
    except PipelineError as error:
        changed = f"Finished work is kept; once the reason above is dealt with, continue with: {again}"
        hint = resume if error.may_pass_unchanged else changed
        raise type(error)(f"{_failed_step(run.steps)}{error}\n{hint}") from error
    except Exception as error:
        if (told := disk_error(error)) is not None:  # not in a step: in records, or in a training beside the steps
            raise RunError(f"{_failed_step(run.steps)}file-system error: {told}\n{resume}") from error
        _LOG.exception("internal error")
        raise InternalError(
            f"{_failed_step(run.steps)}{internal_error(error)}\nThe traceback is in {log}\n"
            f"Finished work is kept; to try the rest again: {again}"
        ) from error


@contextmanager
def _end_in_log() -> Iterator[None]:
    try:
        yield
    except (PipelineError, KeyboardInterrupt) as error:
        _LOG.error("%s", str(error) or "interrupted")
        raise


def _failed_step(steps: Sequence[Step]) -> str:
    return next((f"{step.node} {step.state}: " for step in steps if step.state in ("failed", "refused")), "")
