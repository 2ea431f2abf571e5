"""Options that several commands share."""

import argparse
import math
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from dataplane.files.storage import is_remote
from pipeline.messages import DEFAULT_ROOT, laid_out, repeated, root_option

if TYPE_CHECKING:
    from pipeline.config.config import PipelineConfig
    from pipeline.execution.display import Display
    from pipeline.execution.session import Session

_LONGEST_TIME = 1_000_000_000  # in seconds 30 years; the platform refuses to wait for more than about 300 years


class HelpWithExamples(argparse.HelpFormatter):
    """Fills the lines of descriptions, and leaves indented lines, such as examples, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(
            line if line.startswith(" ") else super(HelpWithExamples, self)._fill_text(line, width, indent)
            for line in text.splitlines()
        )


def positive(text: str) -> int:
    """Parses a count, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seconds(text: str) -> float:
    """An argument that is a time above 0, fractions included."""
    return _time(text, is_allowed=lambda value: value > 0, wanted="a number above 0")


def delay(text: str) -> float:
    """An argument that is a time of at least 0, fractions included."""
    return _time(text, is_allowed=lambda value: value >= 0, wanted="a number of at least 0")


def port(text: str) -> int:
    """An argument that is a TCP port; 0 stands for any free one."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def local_path(text: str) -> Path:
    """Parses a path on this machine."""
    if is_remote(text):
        raise argparse.ArgumentTypeError("expected a path on this machine, got a URI")
    return Path(text)


def _time(text: str, *, is_allowed: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (is_allowed(value) and value <= _LONGEST_TIME):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted} and up to {_LONGEST_TIME}")
    return value


def add_config(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG and `--set`."""
    parser.add_argument("config", type=local_path, metavar="CONFIG", help="the pipeline's YAML file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="override a key of the file, e.g. --set training.batch_size=256 (repeatable)",
    )


def add_display(parser: argparse.ArgumentParser) -> None:
    """Adds `--quiet`, `--verbose` and `--log-format`."""
    amount = parser.add_mutually_exclusive_group()
    for flag, long, told in (
        ("-q", "--quiet", "show warnings and errors alone"),
        ("-v", "--verbose", "show every report as a line, and what libraries log"),
    ):
        amount.add_argument(
            flag, long, dest="amount", action="store_const", const=long[2:], default="normal", help=told
        )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json writes one object a line to the standard error stream, and nothing to the standard output",
    )


def add_published_pipeline(parser: argparse.ArgumentParser) -> None:
    """Adds the optional PIPELINE."""
    parser.add_argument(
        "pipeline", nargs="?", metavar="PIPELINE", help="name of the pipeline; optional if the root has only one"
    )


def add_root(parser: argparse.ArgumentParser) -> None:
    """Adds `--root`."""
    parser.add_argument(
        "--root",
        type=local_path,
        default=DEFAULT_ROOT,
        metavar="DIR",
        help="directory of artifacts, run records and published models (default: ./%(default)s)",
    )


def root_given(arguments: argparse.Namespace) -> list[str]:
    """The `--root` option to repeat in a suggested command; empty if it is the default."""
    return root_option(arguments.root)


def session(
    arguments: argparse.Namespace, config: "PipelineConfig", *, flags: Sequence[str] = ()
) -> "AbstractContextManager[Session]":
    """Opens the session of a command that has CONFIG, `--set`, `--root` and a `verb`; see `open_session`.

    Args:
        arguments: of the command.
        config: the checked configuration.
        flags: the command's own options that were given; the command that continues has them too.
    """
    from pipeline.execution.session import open_session

    interrupted_by_sigterm()
    return open_session(
        config,
        file=arguments.config.resolve(),
        root=arguments.root.resolve(),
        again=repeated(
            arguments.verb, arguments.config, root=arguments.root, settings=arguments.settings, options=flags
        ),
        display=display(arguments),
    )


def display(arguments: argparse.Namespace) -> "Display":
    """What `--quiet`, `--verbose` and `--log-format` say."""
    from pipeline.execution.display import Display

    return Display(arguments.amount, arguments.log_format)


def interrupted_by_sigterm() -> None:
    """Lets SIGTERM, a scheduler's stop, end a command in order, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def conclude(arguments: argparse.Namespace, text: str) -> None:
    """Tells what a session came to, where `--quiet` and `--log-format` leave room for it."""
    if arguments.log_format == "json":
        from pipeline.execution.json_lines import stderr_as_json

        stderr_as_json().event("summary", {"text": text})
    elif arguments.amount != "quiet":
        print_text(text)


def terminal_width() -> int | None:
    """Columns of the terminal that the standard output is; None if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_text(text: str) -> None:
    """Prints a text, whose long lines break between words on a terminal."""
    width = terminal_width()
    print(text if width is None else "\n".join(laid_out(text, width)))


def pipeline_and_version(arguments: argparse.Namespace) -> tuple[str | None, int | None]:
    """The arguments `pipeline` and `version`, of which the name may have been left out: `rollback 1795972834`."""
    pipeline: str | None = arguments.pipeline
    version: int | None = arguments.version
    if version is None and pipeline is not None and pipeline.isdigit():
        return None, int(pipeline)
    return pipeline, version
