"""Writes, reads and removes objects below URIs. A failed write leaves no partial object.

Trees are copied object by object, not with `pyarrow.fs.copy_files`. That function writes an extra object for each
directory, needs permission to read a Google bucket's metadata, cannot copy one file last, and downloads nothing from
Google's store, which has no directories.
"""

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from dataplane.errors.storage_errors import explained
from dataplane.files.object_store import CONNECTIONS, list_objects, open_store

_CHUNK = 8 << 20


def read_bytes(uri: str) -> bytes:
    """Reads a small object.

    Raises:
        RunError: the object cannot be read.
    """
    with explained(uri, "read"):
        store, path = open_store(uri)
        with store.open_input_stream(path, compression=None) as stream:
            content: bytes = stream.read()
            return content


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a small object and replaces an existing one.

    Raises:
        RunError: the object cannot be written.
    """
    with explained(uri, "written"):
        _write(io.BytesIO(content), uri)


def upload(source: Path, uri: str) -> None:
    """Copies a local file to an object.

    Raises:
        RunError: the object cannot be written.
    """
    with explained(uri, "written"), source.open("rb") as stream:
        _write(stream, uri)


def download(uri: str, target: Path) -> None:
    """Copies an object to a local path in an existing directory.

    Raises:
        RunError: the object cannot be read.
    """
    with explained(uri, "read"), target.open("wb") as file:
        store, path = open_store(uri)
        with store.open_input_stream(path, compression=None, buffer_size=_CHUNK) as stream:
            shutil.copyfileobj(stream, file, _CHUNK)


def download_tree(uri: str, target: Path) -> None:
    """Copies all objects below a URI to files below a directory and creates the directory.

    Raises:
        RunError: an object cannot be read.
    """
    with explained(uri, "listed"):
        paths = {found: target / found[len(uri.rstrip("/")) + 1 :] for found, _ in list_objects(uri)}
    for path in {target, *(path.parent for path in paths.values())}:
        path.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(download, paths, paths.values()))


def list_directories(uri: str) -> list[str]:
    """Names of the prefixes ("directories") directly below a URI, sorted.

    Raises:
        RunError: the store cannot be read.
    """
    with explained(uri, "listed"):
        # Google's store has no directories, so each name gives the part before its next slash.
        below = [found[len(uri.rstrip("/")) + 1 :] for found, _ in list_objects(uri)]
        return sorted({name.partition("/")[0] for name in below if "/" in name})


def delete(uri: str) -> None:
    """Removes an object if it exists.

    Raises:
        RunError: the object cannot be removed.
    """
    with explained(uri, "removed"), suppress(FileNotFoundError):
        store, path = open_store(uri)
        store.delete_file(path)


def delete_tree(uri: str) -> None:
    """Removes all objects below a URI.

    Raises:
        RunError: an object cannot be removed.
    """
    with explained(uri, "removed"):
        store, path = open_store(uri)
        store.delete_dir_contents(path, missing_dir_ok=True)


def _write(stream: IO[bytes], uri: str) -> None:
    store, path = open_store(uri)
    # Closing the stream creates the object, so the stream stays open after an error.
    sink = store.open_output_stream(path, compression=None)  # by default pyarrow would compress a .gz again
    shutil.copyfileobj(stream, sink, _CHUNK)
    sink.close()
