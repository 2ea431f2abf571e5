"""The lock on a pipeline's records, held by the one process that may change them.

The file carries two locks: flock, which older releases take, and an open file description lock (fcntl's OFD locks),
which can be queried without taking it. `status` must never take the lock, because a starting run would be refused.
"""

import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dataplane.errors import InUseError, RunError
from dataplane.files.locks import try_lock

RUN, CLEAN = "run", "clean"
"""Purposes of holding the lock. Nobody waits for a run; a run waits for `clean`, which is short."""

_WAIT_SECONDS, _LOOK_SECONDS = 60.0, 0.1
_LONGEST_HOLDER = 100
_FLOCK = struct.Struct("@hhqqi0q")
"""C's struct flock on Linux: type, whence, start, length (0: all), process."""


@contextmanager
def held(file: Path, purpose: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock until the block or the process ends.

    Args:
        file: the lock's file, created if missing.
        purpose: RUN or CLEAN.
        tell: receives a line if the lock has to be waited for.

    Raises:
        InUseError: another process holds it.
        RunError: the file cannot be opened or locked.
    """
    try:
        stream = _opened(file)
    except OSError as error:
        raise RunError(f"{file} cannot be opened: {error.strerror}") from None
    with stream:
        _take(stream, file, tell)
        stream.truncate(0)
        stream.write(str(os.getpid()) if purpose == RUN else f"{os.getpid()} {purpose}")
        stream.flush()
        yield


def is_held(file: Path, pid: int) -> bool:
    """Whether a process holds the lock; queries the lock without taking it."""
    if _holder(file).partition(" ")[0] != str(pid):
        return False
    try:
        with file.open("rb") as stream:
            found = fcntl.fcntl(stream, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        return False
    kind: int = _FLOCK.unpack(found)[0]
    return kind != fcntl.F_UNLCK


def _opened(file: Path) -> IO[str]:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not file.is_file():
        raise FileExistsError(errno.EEXIST, "not a file; remove it")
    return file.open("a+", encoding="utf-8")


def _take(stream: IO[str], file: Path, tell: Callable[[str], None]) -> None:
    last_look = time.monotonic() + _WAIT_SECONDS
    has_told = False
    while not _taken(stream, file):
        pid, _, purpose = _holder(file).partition(" ")
        if purpose != CLEAN or time.monotonic() > last_look:
            raise InUseError(f"{file.parent} is in use by process {pid or 'unknown'}; wait for it to end")
        if not has_told:
            tell(f"waiting for process {pid}, which is cleaning {file.parent}")
        has_told = True
        time.sleep(_LOOK_SECONDS)


def _taken(stream: IO[str], file: Path) -> bool:
    try:
        if not try_lock(stream.fileno()):
            return False
        fcntl.fcntl(stream, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise RunError(f"{file} cannot be locked: {error.strerror}; put --root on another file system") from None
    return True


def _holder(file: Path) -> str:
    """Process id of the current or last holder, followed by its purpose if not RUN; "" if unknown."""
    try:
        if not file.is_file():  # opening a pipe would block
            return ""
        with file.open("rb") as stream:
            return stream.read(_LONGEST_HOLDER).decode().strip()
    except (OSError, ValueError):
        return ""
