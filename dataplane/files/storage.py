"""Finds and reads files at local paths and in object stores. `dataplane.files.objects` writes objects.

A location is an absolute local path, or a `gs://BUCKET/…` or `s3://BUCKET/…` URI. A location never holds credentials,
so no configuration, record or message holds any. Credentials come from the places where the stores' own tools look:

    s3  `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `~/.aws` with `AWS_PROFILE`, or the machine's role. The region
        is in `AWS_REGION`. `AWS_ENDPOINT_URL` names a store other than Amazon's.
    gs  `GOOGLE_APPLICATION_CREDENTIALS`, `gcloud auth application-default login`, or the machine's service account.
        `STORAGE_EMULATOR_HOST` names an emulator.

The module is light to import: it imports pyarrow, the client of the stores, at the first use of a URI.
"""

import errno
import io
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import IO, TYPE_CHECKING, cast

from dataplane.errors.credentials import has_options, has_user
from dataplane.errors.storage_errors import explained
from dataplane.files.object_store import CONNECTIONS, list_objects, object_version, open_store

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMES = ("gs", "s3")
_URI = re.compile(r"^([a-zA-Z][\w+.-]*)://")
_HALF_A_URI = re.compile(r"^(gs|gcs|s3|s3a|s3n):", re.IGNORECASE)


@dataclass(frozen=True)
class StoredFile:
    """A file that exists.

    Attributes:
        location: absolute path or URI.
        size: number of bytes.
    """

    location: str
    size: int


def is_remote(location: str) -> bool:
    """Whether a location is a URI of any scheme."""
    return _URI.match(location) is not None


def check_uri(location: str) -> None:
    """Accepts local paths and URIs of supported stores.

    Raises:
        ValueError: the URI has an unsupported scheme, no bucket, or holds credentials or options. The message does not
            repeat credentials.
    """
    match = _URI.match(location)
    if match is None:
        if _HALF_A_URI.match(location):
            raise ValueError("write a URI as gs://BUCKET/PATH or s3://BUCKET/PATH")
        return
    rest = location[match.end() :]
    if has_user(rest) or has_options(rest):
        raise ValueError(
            "a URI must not hold credentials or options (user@, ?name=value, #); set credentials in the "
            "environment, see dataplane/files/storage.py"
        )
    if match[1] not in SCHEMES:
        raise ValueError(f"'{match[1]}://' is not supported; use a local path, gs:// or s3://")
    if not re.fullmatch(r"[\w.-]+", rest.partition("/")[0]):
        raise ValueError(f"a URI needs the name of a bucket: {match[1]}://BUCKET/PATH")


def join(location: str, *names: str) -> str:
    """A location below a directory."""
    return "/".join([location.rstrip("/"), *names])


def stat(location: str) -> StoredFile | None:
    """The file at a location; None if the location is a directory or does not exist.

    Raises:
        RunError: the store cannot be reached or denies access.
    """
    with explained(location, "looked at"):
        if not is_remote(location):
            return _local_file(location)
        store, path_in_store = open_store(location)
        found = store.get_file_info(path_in_store)
        return StoredFile(location, found.size) if found.is_file else None


def list_files(directory: str, *, descend: Callable[[str], bool] = lambda name: True) -> list[StoredFile]:
    """Files below a directory, sorted by location; an empty list if the directory does not exist.

    Args:
        directory: path or URI of the directory.
        descend: takes the name of a directory below and returns whether to list that directory too.

    Raises:
        RunError: the directory or the store cannot be read.
    """
    with explained(directory, "listed"):
        found = (
            itertools.starmap(StoredFile, list_objects(directory))
            if is_remote(directory)
            else _walk(directory, descend)
        )
        below = len(join(directory, ""))
        kept = [file for file in found if all(map(descend, file.location[below:].split("/")[:-1]))]
        return sorted(kept, key=lambda file: file.location)


def versions(locations: Iterable[str]) -> list[str]:
    """Text for each file that changes when the file is rewritten: its size with its modification time or entity tag.

    Raises:
        RunError: a file no longer exists, or the store cannot be reached.
    """
    wanted = list(locations)
    if not any(map(is_remote, wanted)):
        return [_version(location) for location in wanted]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(_version, wanted))


def open_input(location: str, *, buffer: int = 1 << 18) -> IO[bytes]:
    """Opens a file as a seekable binary stream.

    Args:
        location: path or URI of the file.
        buffer: number of bytes to fetch at once.

    Raises:
        OSError: the file cannot be opened.
    """
    if not is_remote(location):
        return Path(location).open("rb", buffering=buffer)
    return cast(IO[bytes], io.BufferedReader(open_random_access(location), buffer))


def open_random_access(location: str) -> "pa.NativeFile":
    """Opens a file for Arrow, which reads ranges of the file in any order.

    Raises:
        OSError: the file cannot be opened.
    """
    import pyarrow as pa

    if not is_remote(location):
        return pa.OSFile(location)
    store, path = open_store(location)
    return store.open_input_file(path)


def _walk(directory: str, descend: Callable[[str], bool]) -> Iterator[StoredFile]:
    def fail(error: OSError) -> None:
        raise error

    if not os.path.isdir(directory):  # noqa: PTH112  (Path.is_dir raises if a name is too long)
        return
    for folder, folders, names in os.walk(directory, onerror=fail, followlinks=True):
        folders[:] = filter(descend, folders)  # other directories may be large
        for path in (Path(folder, name) for name in names):
            if path.is_file():
                yield StoredFile(str(path), path.stat().st_size)


def _local_file(location: str) -> StoredFile | None:
    try:
        found = Path(location).stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            return None
        raise
    return StoredFile(location, found.st_size) if S_ISREG(found.st_mode) else None


def _version(location: str) -> str:
    with explained(location, "looked at"):
        if is_remote(location):
            return object_version(location)
        found = Path(location).stat()
        return f"{found.st_size}-{found.st_mtime_ns}"
