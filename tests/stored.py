"""Files of tests at local paths or in an object store, whichever a test is given."""

import shutil
from pathlib import Path

from dataplane.files import objects
from dataplane.files.storage import is_remote


def write(location: str, content: bytes) -> None:
    """Writes a file, and makes its directory."""
    if is_remote(location):
        objects.write_bytes(location, content)
        return
    Path(location).parent.mkdir(parents=True, exist_ok=True)
    Path(location).write_bytes(content)


def remove(location: str) -> None:
    """Removes a file."""
    if is_remote(location):
        objects.delete(location)
    else:
        Path(location).unlink()


def remove_tree(directory: str) -> None:
    """Removes a directory and what is in it."""
    if is_remote(directory):
        objects.delete_tree(directory)
    else:
        shutil.rmtree(directory)


def read(location: str) -> bytes:
    """Content of a file, local or in a store."""
    return objects.read_bytes(location) if is_remote(location) else Path(location).read_bytes()
