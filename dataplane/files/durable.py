"""Writes files that survive a crash of the machine: content reaches the disk before anything refers to it."""

import os
import secrets
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


def write_atomically(file: Path, text: str) -> None:
    """Writes a text file so that readers see either the old or the new content, even after a crash.

    Raises:
        OSError: the file cannot be written; its old content is unchanged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("w", encoding="utf-8") as sink:
            sink.write(text)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync(file.parent)
