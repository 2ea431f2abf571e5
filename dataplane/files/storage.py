"""Files at local paths and in object stores: one way to find and read them; `objects` writes to stores.

A location is an absolute local path, or a `gs://BUCKET/…` or `s3://BUCKET/…` URI. Credentials are never part of it:
they come from where the stores' own tools look, so that no configuration, record or message can hold them.
s3: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `~/.aws` with `AWS_PROFILE`, or the machine's role;
`AWS_REGION`, and `AWS_ENDPOINT_URL` for a store that is not Amazon's. gs: `GOOGLE_APPLICATION_CREDENTIALS`,
`gcloud auth application-default login`, or the machine's service account; `STORAGE_EMULATOR_HOST` for an emulator.

Light at import: pyarrow, which speaks to the stores, is imported when a URI is used.
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
    """A file that was found.

    Attributes:
        location: its absolute path or URI.
        size: in bytes.
    """

    location: str
    size: int


def is_remote(location: str) -> bool:
    """Whether a location is a URI, of any scheme."""
    return _URI.match(location) is not None


def check_uri(location: str) -> None:
    """Accepts local paths, and URIs of the stores that are spoken to.

    Raises:
        ValueError: another scheme, no bucket, or credentials or options in the URI; the message does not repeat them.
    """
    match = _URI.match(location)
    if match is None:
        if _HALF_A_URI.match(location):
            raise ValueError("a URI is written gs://BUCKET/PATH or s3://BUCKET/PATH")
        return
    rest = location[match.end() :]
    if has_user(rest) or has_options(rest):
        raise ValueError(
            "a URI must not hold credentials or options (user@, ?name=value, #): they come from the environment, see "
            "dataplane/files/storage.py"
        )
    if match[1] not in SCHEMES:
        raise ValueError(f"'{match[1]}://' is not supported; allowed: a local path, gs:// or s3://")
    if not re.fullmatch(r"[\w.-]+", rest.partition("/")[0]):
        raise ValueError(f"a URI starts with the name of a bucket: {match[1]}://BUCKET/PATH")


def join(location: str, *names: str) -> str:
    """A location below a directory."""
    return "/".join([location.rstrip("/"), *names])


def stat(location: str) -> StoredFile | None:
    """The file at a location; None if there is none, or a directory.

    Raises:
        RunError: the store cannot be reached or refuses.
    """
    with explained(location, "looked at"):
        if not is_remote(location):
            return _local_file(location)
        store, path_in_store = open_store(location)
        found = store.get_file_info(path_in_store)
        return StoredFile(location, found.size) if found.is_file else None


def list_files(directory: str, *, descend: Callable[[str], bool] = lambda name: True) -> list[StoredFile]:
    """Files below a directory, sorted by location; none if there is no such directory.

    Args:
        directory: where to look.
        descend: tells by its name whether a directory below is looked into.

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
    """What changes when a file is written anew: size and time of change, or the store's entity tag.

    Raises:
        RunError: a file is gone, or the store cannot be reached.
    """
    wanted = list(locations)
    if not any(map(is_remote, wanted)):
        return [_version(location) for location in wanted]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(_version, wanted))


def open_input(location: str, *, buffer: int = 1 << 18) -> IO[bytes]:
    """A file's bytes, from the beginning; can seek.

    Args:
        location: which file.
        buffer: how many bytes to fetch at once.

    Raises:
        OSError: it cannot be read.
    """
    if not is_remote(location):
        return Path(location).open("rb", buffering=buffer)
    return cast(IO[bytes], io.BufferedReader(open_random_access(location), buffer))


def open_random_access(location: str) -> "pa.NativeFile":
    """A file for Arrow, which reads here and there in it.

    Raises:
        OSError: it cannot be opened.
    """
    import pyarrow as pa

    if not is_remote(location):
        return pa.OSFile(location)
    store, path = open_store(location)
    return store.open_input_file(path)


def _walk(directory: str, descend: Callable[[str], bool]) -> Iterator[StoredFile]:
    def fail(error: OSError) -> None:
        raise error

    if not os.path.isdir(directory):  # noqa: PTH112  (Path.is_dir raises where a name is too long)
        return
    for folder, folders, names in os.walk(directory, onerror=fail, followlinks=True):
        folders[:] = filter(descend, folders)  # what is not asked for may be large
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
