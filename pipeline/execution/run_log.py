"""The log of a run: its own lines, warnings of libraries, and what native libraries write to descriptor 2."""

import errno
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataplane.errors import ConfigError, RunError
from dataplane.errors.credentials import RedactingFormatter
from pipeline.execution.json_lines import JsonStream

_OWN = ("tfrs_pipeline", "pipeline", "components", "serving", "dataplane", "models")
_STDERR = 2


def log_to(file: Path, *, verbose: bool) -> None:
    """Sends what is logged to a file: of this project's packages everything, of libraries warnings alone.

    Args:
        file: the run's log.
        verbose: logs what libraries inform about as well, and shows it on the standard error stream.

    Raises:
        ConfigError: the file cannot be written.
        RunError: the disk is full.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers: list[logging.Handler] = [logging.FileHandler(file, encoding="utf-8")]
    except OSError as error:
        kind = RunError if error.errno == errno.ENOSPC else ConfigError
        raise kind(f"--root: cannot write to {file.parent}: {error.strerror}; choose another --root") from None
    if verbose:
        handlers.append(logging.StreamHandler())
        handlers[-1].addFilter(lambda record: not record.name.startswith(_OWN))  # these are shown anyway
    for handler in handlers:
        handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.root.handlers = handlers
    logging.root.setLevel(logging.INFO if verbose else logging.WARNING)
    for name in _OWN:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that cannot be written, as on a full disk, is not what went wrong


@contextmanager
def logging_restored() -> Iterator[None]:
    """Undoes at the end of the block what `log_to` changed in it."""
    root, raises = logging.root, logging.raiseExceptions
    handlers, level = root.handlers, root.level
    levels = {name: logging.getLogger(name).level for name in _OWN}
    captures = warnings.showwarning
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers, logging.raiseExceptions = handlers, raises
        root.setLevel(level)
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)
        if warnings.showwarning is not captures:
            logging.captureWarnings(False)


@contextmanager
def native_lines_in(file: Path) -> Iterator[None]:
    """Inside the block, what this process and its children write to descriptor 2 is added to a file.

    Native libraries such as TensorFlow and ScaNN write there, past `sys.stderr`, and would break a live display.
    `sys.stderr` goes on to where it went.
    """
    sys.stderr.flush()
    screen, log = os.dup(_STDERR), os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(log, _STDERR)
    os.close(log)
    try:
        with open(screen, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False) as stream:
            holder, name = (sys.stderr, "stream") if isinstance(sys.stderr, JsonStream) else (sys, "stderr")
            before = getattr(holder, name)
            if _descriptor(before) == _STDERR:
                setattr(holder, name, stream)
            try:
                yield
            finally:
                setattr(holder, name, before)
    finally:
        os.dup2(screen, _STDERR)
        os.close(screen)


def _descriptor(stream: object) -> int | None:
    with suppress(AttributeError, OSError, ValueError):
        number: int = stream.fileno()  # type: ignore[attr-defined]
        return number
    return None
