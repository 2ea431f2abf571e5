"""The deadline of a request over HTTP. A request beyond it is not answered, and one that still waits never runs."""

from collections.abc import Iterable

from dataplane.errors import ConfigError
from dataplane.errors.messages import quoted

HEADER = "X-Request-Timeout-Ms"
"""How long the client waits for its answer, in milliseconds."""
_NAME = HEADER.lower().encode()


def seconds_allowed(headers: Iterable[tuple[bytes, bytes]], limit: float) -> float:
    """The time for an answer: the client's, at most the server's.

    Args:
        headers: names in lower case, and values.
        limit: the server's time, in seconds.

    Raises:
        ConfigError: the header's value is no number of milliseconds above 0.
    """
    given = next((value for name, value in headers if name == _NAME), None)
    if given is None:
        return limit
    if not given.isdigit() or int(given[:18]) == 0:
        raise ConfigError(f"{HEADER}: {quoted(given.decode('latin-1'))} is not a whole number above 0")
    return min(limit, int(given[:18]) / 1000)
