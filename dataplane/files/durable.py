"""Files that survive a crash of the machine: what is written is on the disk before anything says that it is there."""

import os
import secrets
from pathlib import Path


def sync(path: Path) -> None:
    """Waits until a file's content, or the entries of a directory, are on the disk.

    Raises:
        OSError: the disk could not take them.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Waits until all files and directories below a directory are on the disk, and the directory itself.

    Raises:
        OSError: the disk could not take them.
    """
    for folder, _, names in os.walk(directory, topdown=False):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))


def write_atomically(file: Path, text: str) -> None:
    """Writes a text file so that a reader, and a crash, sees the old content or the new, never a part.

    Raises:
        OSError: it cannot be written; the old content is still there.
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
