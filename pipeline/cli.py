"""The command line: one verb a module in `pipeline.commands`, exit codes for schedulers.

Exit codes: 0 done, 1 internal error, 2 usage or configuration, 3 a run that failed or was refused.
"""

import argparse
import atexit
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from importlib import metadata
from typing import Any, NoReturn

from dataplane.errors import PipelineError, RunError
from dataplane.errors.credentials import redacted
from dataplane.errors.for_users import errors_for_users
from pipeline.commands import (
    candidates,
    clean,
    compare,
    completion,
    doctor,
    explain,
    explore,
    init,
    lineage,
    promote,
    recommend,
    refresh_index,
    report,
    reproduce,
    rollback,
    run,
    schema,
    serve,
    show,
    status,
    tune,
    validate,
    versions,
    work,
)
from pipeline.messages import print_error

_DISTRIBUTION = "tfrs-pipeline"

_COMMANDS = (
    run, refresh_index, validate, status, report, compare, show, explain, lineage, reproduce, recommend, explore, serve,
    candidates, versions, promote, rollback, clean, tune, work, init, schema, doctor, completion,
)  # fmt: skip

_DESCRIPTION = """Two-tower retrieval, retrained every night and served every second.

From a table of interactions and one YAML file to a versioned SavedModel that takes raw features and answers top-k
ids, with the evidence that it is good."""

_EPILOG = """exit codes: 0 done; 1 internal error; 2 usage or configuration; 3 a run that failed or was refused

typical use:
  %(prog)s init ratings.csv movies.csv -o mine.yaml  look at your files, draft a configuration
  %(prog)s validate mine.yaml                         check it in under a second
  %(prog)s run mine.yaml                              train, evaluate, index and publish a model
  %(prog)s recommend mine --query-id 42               ask the published model"""


class _Parser(argparse.ArgumentParser):
    """Accepts options between positional arguments and redacts credentials in its error messages."""

    _is_splitting = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses a command's options first, then its positional arguments from the rest, so their order is free.

        Without this, argparse refuses `NAME --root DIR VERSION`, because it assigns all positional arguments at once.
        """
        if self._subparsers is not None or self._is_splitting:  # parse_known_intermixed_args calls this method twice
            return super().parse_known_args(args, namespace)
        self._is_splitting = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_splitting = False

    def error(self, message: str) -> NoReturn:
        """Ends the process with exit code 2."""
        super().error(redacted(message))


class _ShowVersion(argparse.Action):
    """Prints the version of the installed package and exits; looks it up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Ends the process with exit code 0, or 2 if the package is not installed."""
        try:
            version = metadata.version(_DISTRIBUTION)
        except metadata.PackageNotFoundError:
            parser.error(f"{_DISTRIBUTION} is not installed, so its version is unknown; run `pip install .`")
        print(_DISTRIBUTION, version)
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; what it returns has `execute`, which runs the command."""
    parser = _Parser(
        prog="python -m pipeline",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the program's version and exit")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(verbs)
    parser.set_defaults(parser=parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    # Skips the final garbage collection, which takes two seconds over TensorFlow's objects.
    atexit.register(gc.freeze)
    with _stderr_as_json() if getattr(options, "log_format", "text") == "json" else nullcontext():
        return _execute(options)


def _execute(options: argparse.Namespace) -> int:
    try:
        with errors_for_users():
            code: int = options.execute(options)
    except PipelineError as error:
        print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted")
        return RunError.exit_code
    except BrokenPipeError:
        return 0
    return code


@contextmanager
def _stderr_as_json() -> Iterator[None]:
    from pipeline.execution.json_lines import stderr_as_json

    with redirect_stderr(stderr_as_json()):
        yield
