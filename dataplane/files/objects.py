"""Objects below URIs: written whole or not at all, read, and removed.

Trees are copied an object at a time: `pyarrow.fs.copy_files` writes an object for every directory, needs the right to
look at Google's bucket, cannot leave a file for last, and downloads nothing from Google's store, which has no
directories.
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
    """A whole small object.

    Raises:
        RunError: it cannot be read.
    """
    with explained(uri, "read"):
        store, path = open_store(uri)
        with store.open_input_stream(path, compression=None) as stream:
            content: bytes = stream.read()
            return content


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a small object over one that is there.

    Raises:
        RunError: it cannot be written.
    """
    with explained(uri, "written"):
        _write(io.BytesIO(content), uri)


def upload(source: Path, uri: str) -> None:
    """Copies a local file to an object.

    Raises:
        RunError: it cannot be written.
    """
    with explained(uri, "written"), source.open("rb") as stream:
        _write(stream, uri)


def download(uri: str, target: Path) -> None:
    """Copies an object to a local path, whose directory exists.

    Raises:
        RunError: it cannot be read.
    """
    with explained(uri, "read"), target.open("wb") as file:
        store, path = open_store(uri)
        with store.open_input_stream(path, compression=None, buffer_size=_CHUNK) as stream:
            shutil.copyfileobj(stream, file, _CHUNK)


def download_tree(uri: str, target: Path) -> None:
    """Copies all objects below a URI to files below a directory, which is made.

    Raises:
        RunError: they cannot be read.
    """
    with explained(uri, "listed"):
        paths = {found: target / found[len(uri.rstrip("/")) + 1 :] for found, _ in list_objects(uri)}
    for path in {target, *(path.parent for path in paths.values())}:
        path.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(download, paths, paths.values()))


def list_directories(uri: str) -> list[str]:
    """Names of what would be the directories directly below a URI, sorted.

    Raises:
        RunError: the store cannot be read.
    """
    with explained(uri, "listed"):
        # Google's store knows no directories, only names: what is before the next slash is taken from all of them.
        below = [found[len(uri.rstrip("/")) + 1 :] for found, _ in list_objects(uri)]
        return sorted({name.partition("/")[0] for name in below if "/" in name})


def delete(uri: str) -> None:
    """Removes an object, if it is there.

    Raises:
        RunError: it cannot be removed.
    """
    with explained(uri, "removed"), suppress(FileNotFoundError):
        store, path = open_store(uri)
        store.delete_file(path)


def delete_tree(uri: str) -> None:
    """Removes all objects below a URI, if there are any.

    Raises:
        RunError: they cannot be removed.
    """
    with explained(uri, "removed"):
        store, path = open_store(uri)
        store.delete_dir_contents(path, missing_dir_ok=True)


def _write(stream: IO[bytes], uri: str) -> None:
    store, path = open_store(uri)
    # An object comes into being when its stream is closed, which must not happen after an error.
    sink = store.open_output_stream(path, compression=None)  # what is called .gz would be compressed once more
    shutil.copyfileobj(stream, sink, _CHUNK)
    sink.close()
