"""Recognises file-system errors, whichever library raised them.

TensorFlow has its own error classes, and Beam runners pass on only the text of a worker's error. All of them keep the
operating system's message, so that is what is recognised.
"""

import errno
import os
import re
from collections.abc import Iterator

from dataplane.errors.messages import shown

_CODES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EMFILE,
    errno.ENFILE,
)  # fmt: skip
_SIGNS = tuple(os.strerror(code) for code in _CODES)
_IN_GRAPH = re.compile(r"\{\{function_node [^}]*\}\}")
"""Position in the graph, which TensorFlow adds to its messages."""


def disk_error(error: BaseException) -> str | None:
    """The file system's message on one line if a file-system error caused `error`; otherwise None."""
    for found in _chain(error):
        if isinstance(found, OSError):
            return shown(str(found) or type(found).__name__)
        line = next((line for line in str(found).splitlines() if any(sign in line for sign in _SIGNS)), None)
        if line is not None:
            return shown(_IN_GRAPH.sub("", line).strip())
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its explicit causes (`raise … from`). An error's `__context__` need not be its cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
