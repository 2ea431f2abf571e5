"""Writes files that survive a crash of the machine: content reaches the disk before anything refers to it.

Only this module writes a file under a temporary name and renames it. It is in the lowest layer, because training needs
it and does not know the data plane.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path) -> None:
    """Waits until a file's content, or a directory's entries, are on the disk.

    Raises:
        OSError: the disk failed or is full.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Waits until a directory and all files and directories below it are on the disk.

    Raises:
        OSError: the disk failed or is full.
    """
    for folder, _, names in os.walk(directory, topdown=False):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yields a temporary path beside `file`. What the block writes there replaces `file` if the block succeeds.

    Readers see either the old or the new content, even after a crash. `file` is unchanged if the block raises or
    writes nothing.

    Args:
        file: the file to replace; its directory is created if missing.

    Raises:
        OSError: the content cannot be written; the old content is unchanged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        yield temporary
        if temporary.exists():
            sync(temporary)
            temporary.replace(file)
            sync(file.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(file: Path, text: str) -> None:
    """Writes a text file atomically; see `replacing`.

    Raises:
        OSError: the file cannot be written; the old content is unchanged.
    """
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
