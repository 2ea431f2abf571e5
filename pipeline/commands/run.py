"""`run`: from source data to a published model."""

import argparse
import errno
import logging
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dataplane.errors import ConfigError, PipelineError, RunError
from dataplane.errors.credentials import RedactingFormatter, redacted
from pipeline.commands import options
from pipeline.commands.signals import stop_on_sigterm

if TYPE_CHECKING:
    from pipeline.config.config import PipelineConfig
    from pipeline.execution.dag import Pipeline
    from pipeline.execution.metadata import Execution, Step
    from pipeline.execution.runner import Selection


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "run",
        help="run the pipeline; what is already done is not done again",
        description="Runs every step of the pipeline whose inputs, parameters or code have changed since it was last "
        "executed under this root, and prints a summary. A killed or failed run continues where it stopped when the "
        "same command is given again.",
    )
    options.add_config(parser)
    options.add_root(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--from", dest="start", default="", metavar="STEP", help="execute STEP and all that wait for it")
    which.add_argument("--only", default="", metavar="STEP", help="execute STEP alone, on what earlier runs produced")
    which.add_argument("--no-cache", action="store_true", help="execute every step")
    parser.set_defaults(execute=execute, verb="run")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the pipeline; exit code 3 if a step failed or a gate refused, 1 on an internal error."""
    from pipeline.config.config import load_config
    from pipeline.create_pipeline import create_pipeline
    from pipeline.execution.runner import Selection

    config = load_config(arguments.config, arguments.settings)
    pipeline = create_pipeline(config, arguments.root.resolve())
    selection = Selection(start=arguments.start, only=arguments.only, use_cache=not arguments.no_cache)
    selection.forced(pipeline)
    return drive(arguments, config, pipeline, selection, given={})


def drive(
    arguments: argparse.Namespace,
    config: "PipelineConfig",
    pipeline: "Pipeline",
    selection: "Selection",
    given: "Mapping[str, Execution]",
) -> int:
    """Runs steps under a record, a log and a display of their own, and prints a summary.

    Args:
        arguments: of a command with CONFIG, `--set` and `--root`.
        config: what CONFIG says.
        pipeline: the steps.
        selection: which of them execute whatever the cache says.
        given: finished executions that the steps start from, see `LocalRunner.run`.

    Returns:
        0, or 1 after an internal error.

    Raises:
        RunError: a step failed, a gate refused, or the run was interrupted; says how to continue, and whether that
            takes a change.
    """
    from pipeline.execution.metadata import Store
    from pipeline.execution.progress import make_progress
    from pipeline.execution.report import summary
    from pipeline.execution.runner import LocalRunner, internal_error, new_run

    stop_on_sigterm()
    store, run = Store(arguments.root.resolve(), config.name), new_run(arguments.config.resolve())
    _log_to(store.log_file(run))
    with make_progress(config.name) as progress:
        try:
            executions = LocalRunner(store, config.beam, progress).run(pipeline, run, selection, given)
        except KeyboardInterrupt:
            raise RunError(f"interrupted\n{_resume(arguments)}") from None
        except PipelineError as error:
            hint = _resume(arguments) if error.may_pass_unchanged else _after_a_change(arguments)
            raise type(error)(f"{_failed_step(run.steps)}{error}\n{hint}") from error
        except OSError as error:  # not a step, but the records of the run could not be written
            told = f"{_failed_step(run.steps)}{error}: {store.directory} cannot be written to"
            raise RunError(f"{told}\n{_resume(arguments)}") from error
        except Exception as error:
            logging.getLogger(__name__).exception("internal error")
            print(f"error: {_failed_step(run.steps)}{redacted(internal_error(error))}", file=sys.stderr)
            print(f"The traceback is in {store.log_file(run)}", file=sys.stderr)
            print(f"What is done is kept; to try the rest again: {_command(arguments)}", file=sys.stderr)
            return 1
    print(summary(store, run, executions, _root(arguments)))
    return 0


def _failed_step(steps: list["Step"]) -> str:
    return next((f"{step.node} {step.state}: " for step in steps if step.state in ("failed", "refused")), "")


def _resume(arguments: argparse.Namespace) -> str:
    return f"The same command continues from there: {_command(arguments)}"


def _after_a_change(arguments: argparse.Namespace) -> str:
    return f"What is done is kept; once the reason above is dealt with, go on with: {_command(arguments)}"


def _command(arguments: argparse.Namespace) -> str:
    again = [
        arguments.verb,
        str(arguments.config),
        *_root(arguments),
        *(f"--set={setting}" for setting in arguments.settings),
    ]
    return "python -m pipeline " + shlex.join(again)


def _root(arguments: argparse.Namespace) -> list[str]:
    return [] if arguments.root == options.DEFAULT_ROOT else ["--root", str(arguments.root)]


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
