"""Error messages on a terminal, in which a command to copy stays whole, and the commands that messages suggest."""

import logging
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dataplane.errors.credentials import RedactingFormatter

DEFAULT_ROOT = Path("runs")

_COMMAND = "python -m pipeline"
_LEAST_WIDTH = 40
_WEBHOOK = re.compile(r"^(notify\b.*?\bhttps?://[^/\s]+/).*")
"""A setting with the address of a webhook, whose path may be a secret."""


class TerminalFormatter(RedactingFormatter):
    """Formats log records as lines of the terminal's width."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return "\n".join(laid_out(super().format(record), shutil.get_terminal_size().columns))


def repeated(verb: str, config: Path, *, root: Path, settings: Sequence[str], options: Sequence[str] = ()) -> str:
    """The command line that does the same again."""
    shown = (_WEBHOOK.sub(r"\1***", setting) for setting in settings)
    words = (verb, str(config), *options, *root_option(root), *(f"--set={setting}" for setting in shown))
    return f"{_COMMAND} {shlex.join(words)}"


def root_option(root: Path) -> list[str]:
    """The `--root` option of a suggested command; empty if the root is the default."""
    return [] if root == DEFAULT_ROOT else ["--root", str(root)]


def print_error(text: str) -> None:
    """Prints an error to the standard error stream."""
    if not sys.stderr.isatty():
        print(f"error: {text}", file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    shown = Text("\n".join(laid_out(f"error: {text}", console.width)))
    shown.stylize("bold red", 0, len("error:"))
    console.print(shown, soft_wrap=True)


def laid_out(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, but for paths and commands, which can be copied; a command gets its own line.

    A path on a line that is too long starts from the working directory, if it is below it.
    """
    found: list[str] = []
    for line in text.splitlines():
        prose, command, rest = line.partition(_COMMAND)
        if len(line) <= width:
            found.append(line)
        elif not command:
            found += _wrapped(line, width)
        else:
            found += _wrapped(prose.rstrip(), width) if prose.strip() else []
            found.append(f"  {command}{rest}")
    return found


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    with suppress(OSError):  # the directory may be gone
        line = re.sub(rf"(?<!\S){re.escape(str(Path.cwd()))}/", "", line)
    return textwrap.wrap(
        line.lstrip(),
        max(width, _LEAST_WIDTH),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
