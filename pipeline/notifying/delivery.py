"""Delivers a message by HTTP or to a command, with retries inside a time limit."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0
"""Seconds between attempts; each wait is twice the last one."""
_LONGEST_ATTEMPT = 15.0
_PASSING = (408, 425, 429)
"""Answers, besides those from 500 on, after which another attempt may succeed."""
_LONGEST_REASON = 200


class UndeliveredError(Exception):
    """A message was not delivered; the text says why and holds no address.

    Attributes:
        may_pass: whether another attempt may succeed.
    """

    def __init__(self, reason: str, *, may_pass: bool = True) -> None:
        super().__init__(reason[:_LONGEST_REASON])
        self.may_pass = may_pass


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect as an answer, because following one drops the message."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follows nothing."""


def deliver(attempt: Callable[[float], None], *, seconds: float) -> None:
    """Attempts a delivery until it succeeds, cannot succeed, or the time is over.

    Args:
        attempt: delivers within the seconds that it is given.
        seconds: the time for all attempts.

    Raises:
        UndeliveredError: the last attempt's.
    """
    deadline, wait = time.monotonic() + seconds, _FIRST_WAIT
    while True:
        try:
            attempt(min(_LONGEST_ATTEMPT, max(deadline - time.monotonic(), 0.001)))
        except UndeliveredError as error:
            if not error.may_pass or time.monotonic() + wait >= deadline:
                raise
        else:
            return
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


def send(address: str, body: bytes, *, seconds: float, content_type: str, method: str = "POST") -> None:
    """Sends an HTTP request once.

    Raises:
        UndeliveredError: the server cannot be reached, or its answer is not 2xx.
    """
    headers = {"Content-Type": content_type, "User-Agent": "tfrs-pipeline"}
    request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310  (checked to be http or https)
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        may_pass = error.code in _PASSING or error.code >= 500
        raise UndeliveredError(f"the answer was {error.code} {error.reason}", may_pass=may_pass) from None
    except (OSError, ValueError) as error:
        # The text of other errors may repeat the address.
        reason = getattr(error, "reason", error)
        told = getattr(reason, "strerror", None) or type(reason).__name__
        raise UndeliveredError(f"the server cannot be reached: {told}") from None


def run_command(command: Sequence[str], body: bytes, seconds: float) -> None:
    """Runs a command once, with JSON on its standard input.

    Raises:
        UndeliveredError: the command cannot be started, takes too long, or ends with another exit code than 0.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  (the user's own command, without a shell)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UndeliveredError(f"it cannot be started: {reason}", may_pass=False) from None
    with process:
        try:
            _, said = process.communicate(body, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise UndeliveredError(f"it had not ended after {seconds:.0f} s") from None
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        told = f": {lines[-1]}" if lines else ""
        raise UndeliveredError(f"its exit code was {process.returncode}{told}")
