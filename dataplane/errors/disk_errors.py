"""Tells errors of the file system from others, whatever library raised them.

TensorFlow has errors of its own, and runners hand on only the text of what a worker raised: what they all keep is the
operating system's words.
"""

import errno
import os
import re
from collections.abc import Iterator

_CODES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EMFILE,
    errno.ENFILE,
)  # fmt: skip
_SIGNS = tuple(os.strerror(code) for code in _CODES)
_LONGEST = 300
_IN_GRAPH = re.compile(r"\{\{function_node [^}]*\}\}")
"""Where in a graph TensorFlow was when it wrote."""


def disk_error(error: BaseException) -> str | None:
    """What the file system said, in one line, if it is behind an error; None if it is not."""
    for found in _chain(error):
        if isinstance(found, OSError):
            return _shortened(str(found) or type(found).__name__)
        line = next((line for line in str(found).splitlines() if any(sign in line for sign in _SIGNS)), None)
        if line is not None:
            return _shortened(_IN_GRAPH.sub("", line).strip())
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from; what was merely being handled meanwhile need not be the reason."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _shortened(text: str) -> str:
    """A text without its middle if it is long: paths stand at its beginning, the reason at its end."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"
