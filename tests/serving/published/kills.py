"""Stands in for a process that is killed after some changes of files."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
_left: int | None = None  # changes of files until the process counts as killed; None: never


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the process touches a file any more, clean-up included."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    global _left
    if _left is None:
        return
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 0o103  # WRONLY, RDWR or CREAT
    if event in _CHANGES or writes:
        if _left <= 0:
            raise Killed
        _left -= 1


sys.addaudithook(_hook)


@contextmanager
def killed_after(changes: int | None) -> Iterator[None]:
    global _left
    _left = changes
    try:
        yield
    finally:
        _left = None


def repeated_until_done(act: Callable[[], Any], changes: int) -> None:
    """Does something that is killed after so many changes, again and again; each time it gets further."""
    for allowed in range(changes, 10_000, 7):
        with suppress(Killed), killed_after(allowed):
            act()
            return
    raise AssertionError
