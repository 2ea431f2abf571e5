"""Restores the errors of a step from what a runner reports, whichever process it ran in."""

import builtins
import logging
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from dataplane import errors
from dataplane.errors.disk_errors import disk_error

_STEP = re.compile(r" \[while running .*\Z", re.DOTALL)
"""Suffix that Beam adds to the message of an error."""
_REPORTED = re.compile(
    rf"^(?:{errors.__name__}\.)?(?P<kind>\w+): (?P<message>.*?)(?=^\S*Traceback |^\s+at \S+\(|^During handling |\Z)",
    re.DOTALL | re.MULTILINE,
)
_IN_WORKER = "Traceback (most recent call last)"
_LOGGER = logging.getLogger(__name__)
_JAVA_CAUSE = re.compile(r"^(?:Caused by: )?(?P<cause>[\w.$]+(?:Exception|Error)\b.*)$", re.MULTILINE)


@contextmanager
def as_raised() -> Iterator[None]:
    """Turns a runner's report of an error in a step back into that error.

    Raises:
        PipelineError: raised by a step, or `RunError` if the runner failed.
        OSError: raised by a step; it has only a message.
    """
    try:
        yield
    except errors.PipelineError as error:
        raise type(error)(_STEP.sub("", str(error))) from error
    except RuntimeError as error:
        # Only text arrives from other processes: the traceback of a step, or why the runner gave up.
        reported = _reported(str(error))
        if reported is not None:
            raise reported from error
        disk = disk_error(error)
        if disk is not None:
            raise OSError(_STEP.sub("", disk)) from error
        if _IN_WORKER in str(error) or type(error) is not RuntimeError:
            raise
        raise errors.RunError(f"the Beam runner failed: {_cause(str(error))}; see the run's log for details") from error


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Ensures that an interrupt inside the block leaves it as KeyboardInterrupt.

    Beam turns everything that is raised in a step into an error of the step, including KeyboardInterrupt.

    Raises:
        KeyboardInterrupt: a signal raised it inside the block.
    """
    raised: list[int] = []
    with _recording(raised):
        try:
            yield
        except Exception as error:
            if raised:
                raise KeyboardInterrupt from error
            raise
    if raised:
        raise KeyboardInterrupt


@contextmanager
def _recording(raised: list[int]) -> Iterator[None]:
    """Records the signals whose handlers raise KeyboardInterrupt."""

    def handler(number: int, frame: FrameType | None) -> None:
        raised.append(number)
        signal.default_int_handler(number, frame)

    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():  # only this thread gets signals and may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is signal.default_int_handler:
                    stack.callback(signal.signal, number, signal.signal(number, handler))
        yield


@contextmanager
def threads_to_log() -> Iterator[None]:
    """Logs errors of threads. Beam's threads fail when the other end of a connection is closed, which is not news."""
    before, threading.excepthook = threading.excepthook, _log
    try:
        yield
    finally:
        threading.excepthook = before


def _log(ended: threading.ExceptHookArgs) -> None:
    _LOGGER.info("a thread of Beam ended", exc_info=ended.exc_value)


def _reported(text: str) -> errors.PipelineError | OSError | None:
    """The last error of a known type in a text."""
    for found in reversed(list(_REPORTED.finditer(text))):
        kind = getattr(errors, found["kind"], None) or getattr(builtins, found["kind"], None)
        if isinstance(kind, type) and issubclass(kind, errors.PipelineError | OSError):
            error: errors.PipelineError | OSError = kind(_STEP.sub("", found["message"].rstrip()))
            return error
    return None


def _cause(text: str) -> str:
    """The innermost Java exception in a text, or its last line."""
    causes = [match["cause"] for match in _JAVA_CAUSE.finditer(text)]
    return causes[-1] if causes else text.strip().splitlines()[-1]
