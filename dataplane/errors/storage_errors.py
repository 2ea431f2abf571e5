"""Turns errors of local files and object stores into messages that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from dataplane.errors import RunError

_REFUSED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE", "PERMISSION_DENIED", "UNAUTHENTICATED", "OAuth2")
_UNREACHABLE = ("NETWORK_CONNECTION", "UNAVAILABLE")


@contextmanager
def explained(location: str, done: str) -> Iterator[None]:
    """Turns an OSError of the block into a RunError that says what to do.

    Args:
        location: location of the file or directory that the block uses.
        done: past participle of what the block does, such as `listed`.

    Raises:
        RunError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"{location} cannot be {done}: {reason(error)}") from error


def reason(error: OSError) -> str:
    """The part of a file system's or store's message that helps the user."""
    text = error.strerror or str(error)
    text = text.partition(" error_info=")[0]
    if any(sign in text for sign in _REFUSED):
        return f"access is denied; are credentials for this bucket in the environment? ({text})"
    if any(sign in text for sign in _UNREACHABLE):
        return f"the store cannot be reached ({text})"
    if "Status(NOT_FOUND" in text:  # Google's
        return "there is no such object or bucket"
    return text
