"""What commands that execute steps share: a record, a log, a display, and an end in order."""

import errno
import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.errors import ConfigError, InternalError, PipelineError, RunError
from dataplane.errors.credentials import RedactingFormatter
from dataplane.errors.disk_errors import disk_error
from pipeline.config.config import PipelineConfig
from pipeline.config.settings import settings_given
from pipeline.execution.dag import Pipeline
from pipeline.execution.metadata import Execution, Run, Step, Store
from pipeline.execution.progress import make_progress
from pipeline.execution.runner import LocalRunner, Progress, Selection, internal_error, new_run


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
def open_session(config: PipelineConfig, *, file: Path, root: Path, again: str) -> Iterator[Session]:
    """Yields a session. Whatever ends its block early is told in one line, with the command that continues.

    SIGTERM, a scheduler's stop, ends the block as Ctrl-C does. What libraries log goes to the log of the run.

    Args:
        config: the checked configuration.
        file: where it was read from.
        root: where artifacts and records are kept.
        again: the command line that continues an interrupted session.

    Raises:
        ConfigError: the root cannot be written to.
        InternalError: nobody foresaw what went wrong; the log has the traceback.
        PipelineError: what the block raised, with a hint whether the same command continues or a change is needed;
            `RunError` also if it was interrupted or the file system failed.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    store, run = Store(root, config.name), new_run(file, settings_given(config))
    _log_to(store.log_file(run))
    resume = f"The same command continues from there: {again}"
    try:
        with make_progress(config.name) as progress:
            yield Session(config, store, run, progress)
    except KeyboardInterrupt:
        raise RunError(f"interrupted\n{resume}") from None
    except PipelineError as error:
        changed = f"What is done is kept; once the reason above is dealt with, go on with: {again}"
        hint = resume if error.may_pass_unchanged else changed
        raise type(error)(f"{_failed_step(run.steps)}{error}\n{hint}") from error
    except Exception as error:
        if (told := disk_error(error)) is not None:  # not in a step: in records, or in a training beside the steps
            raise RunError(f"{_failed_step(run.steps)}file-system error: {told}\n{resume}") from error
        logging.getLogger(__name__).exception("internal error")
        raise InternalError(
            f"{_failed_step(run.steps)}{internal_error(error)}\nThe traceback is in {store.log_file(run)}\n"
            f"What is done is kept; to try the rest again: {again}"
        ) from error


def _failed_step(steps: Sequence[Step]) -> str:
    return next((f"{step.node} {step.state}: " for step in steps if step.state in ("failed", "refused")), "")


def _log_to(file: Path) -> None:
    """Everything libraries log goes to the run's log file; the terminal is for the run itself."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        kind = RunError if error.errno == errno.ENOSPC else ConfigError
        raise kind(f"--root: cannot write to {file.parent}: {error.strerror}; choose another --root") from None
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that cannot be written, as on a full disk, is not what went wrong
