"""Errors of a step, as they were raised, whichever process it ran in."""

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
"""What Beam adds to the message of an error."""
_TOLD = re.compile(
    rf"^(?:{errors.__name__}\.)?(?P<kind>\w+): (?P<message>.*?)(?=^\S*Traceback |^\s+at \S+\(|^During handling |\Z)",
    re.DOTALL | re.MULTILINE,
)
_IN_WORKER = "Traceback (most recent call last)"
_LOGGER = logging.getLogger(__name__)
_JAVA_CAUSE = re.compile(r"^(?:Caused by: )?(?P<cause>[\w.$]+(?:Exception|Error)\b.*)$", re.MULTILINE)


@contextmanager
def as_raised() -> Iterator[None]:
    """Turns what a runner makes of an error in a step back into that error.

    Raises:
        PipelineError: raised by a step, or `RunError` if it is the runner that broke down.
        OSError: raised by a step; it then has a message only.
    """
    try:
        yield
    except errors.PipelineError as error:
        raise type(error)(_STEP.sub("", str(error))) from error
    except RuntimeError as error:
        # From another process only text arrives: the traceback of a step, or why the runner gave up.
        told = _told(str(error))
        if told is not None:
            raise told from error
        disk = disk_error(error)
        if disk is not None:
            raise OSError(_STEP.sub("", disk)) from error
        if _IN_WORKER in str(error) or type(error) is not RuntimeError:
            raise
        raise errors.RunError(f"the Beam runner broke down: {_cause(str(error))}; the run's log has more") from error


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Lets an interrupt end the block as one, whatever becomes of it inside.

    Beam makes an error of the step that is at work of everything that is raised there, KeyboardInterrupt included.

    Raises:
        KeyboardInterrupt: a signal raised it inside.
    """
    raised: list[int] = []
    with _noting(raised):
        try:
            yield
        except Exception as error:
            if raised:
                raise KeyboardInterrupt from error
            raise
    if raised:
        raise KeyboardInterrupt


@contextmanager
def _noting(raised: list[int]) -> Iterator[None]:
    """Collects the signals whose handlers raise KeyboardInterrupt."""

    def handler(number: int, frame: FrameType | None) -> None:
        raised.append(number)
        signal.default_int_handler(number, frame)

    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():  # no other one gets signals, or may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is signal.default_int_handler:
                    stack.callback(signal.signal, number, signal.signal(number, handler))
        yield


@contextmanager
def threads_to_log() -> Iterator[None]:
    """Errors in threads go to the log: those of Beam say that the other end hung up, which tells nothing new."""
    before, threading.excepthook = threading.excepthook, _log
    try:
        yield
    finally:
        threading.excepthook = before


def _log(ended: threading.ExceptHookArgs) -> None:
    _LOGGER.info("a thread of Beam ended", exc_info=ended.exc_value)


def _told(text: str) -> errors.PipelineError | OSError | None:
    """The last error of a known type in a text."""
    for told in reversed(list(_TOLD.finditer(text))):
        kind = getattr(errors, told["kind"], None) or getattr(builtins, told["kind"], None)
        if isinstance(kind, type) and issubclass(kind, errors.PipelineError | OSError):
            error: errors.PipelineError | OSError = kind(_STEP.sub("", told["message"].rstrip()))
            return error
    return None


def _cause(text: str) -> str:
    """The innermost Java exception in a text, or its last line."""
    causes = [match["cause"] for match in _JAVA_CAUSE.finditer(text)]
    return causes[-1] if causes else text.strip().splitlines()[-1]
