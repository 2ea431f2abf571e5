"""Files at local paths and in object stores: one way to find, read and write them.

A location is an absolute local path, or a `gs://BUCKET/…` or `s3://BUCKET/…` URI. Credentials are never part of it:
they come from where the stores' own tools look, so that no configuration, record or message can hold them.
s3: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `~/.aws` with `AWS_PROFILE`, or the machine's role;
`AWS_REGION`, and `AWS_ENDPOINT_URL` for a store that is not Amazon's. gs: `GOOGLE_APPLICATION_CREDENTIALS`,
`gcloud auth application-default login`, or the machine's service account; `STORAGE_EMULATOR_HOST` for an emulator.

Light at import: pyarrow, which speaks to the stores, is imported when a URI is used.
"""

import errno
import io
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import IO, TYPE_CHECKING, cast

from dataplane.errors import ConfigError
from dataplane.errors.credentials import has_options, has_user
from dataplane.errors.storage_errors import explained
from models.spec.durable import replacing

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem

SCHEMES = ("gs", "s3")
_URI = re.compile(r"^([a-zA-Z][\w+.-]*)://")
_HALF_A_URI = re.compile(r"^(gs|gcs|s3|s3a|s3n):", re.IGNORECASE)
_CONNECT_SECONDS, _REQUEST_SECONDS, _ATTEMPTS = 3, 60, 3
_CHUNK = 8 << 20
_CONNECTIONS = 16


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
        store, path_in_store = _open_store(location)
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
        found = _list_store(directory) if is_remote(directory) else _walk(directory, descend)
        below = len(join(directory, ""))
        kept = [file for file in found if all(map(descend, file.location[below:].split("/")[:-1]))]
        return sorted(kept, key=lambda file: file.location)


def list_directories(directory: str) -> list[str]:
    """Names of the directories directly in a directory, sorted; none if there is no such directory.

    Raises:
        RunError: the directory or the store cannot be read.
    """
    with explained(directory, "listed"):
        if not is_remote(directory):
            path = Path(directory)
            return sorted(entry.name for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
        # Google's store knows no directories, only names: what is before the next slash is taken from all of them.
        below = [file.location[len(join(directory, "")) :] for file in _list_store(directory)]
        return sorted({name.partition("/")[0] for name in below if "/" in name})


def versions(locations: Iterable[str]) -> list[str]:
    """What changes when a file is written anew: size and time of change, or the store's entity tag.

    Raises:
        RunError: a file is gone, or the store cannot be reached.
    """
    wanted = list(locations)
    if not any(map(is_remote, wanted)):
        return [_version(location) for location in wanted]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
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
    store, path = _open_store(location)
    return store.open_input_file(path)


def read_bytes(location: str) -> bytes:
    """A whole small file.

    Raises:
        RunError: it cannot be read.
    """
    with explained(location, "read"), open_input(location) as stream:
        return stream.read()


def write_bytes(location: str, content: bytes) -> None:
    """Writes a small file, whole or not at all, over one that is there.

    Raises:
        RunError: it cannot be written.
    """
    with explained(location, "written"):
        _write(io.BytesIO(content), location)


def upload(source: Path, location: str) -> None:
    """Copies a local file to a location, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    with explained(location, "written"), source.open("rb") as stream:
        _write(stream, location)


def download(location: str, target: Path) -> None:
    """Copies a file to a local path, whose directory exists.

    Raises:
        RunError: it cannot be read.
    """
    with explained(location, "read"), open_input(location, buffer=_CHUNK) as stream, target.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)


def delete(location: str) -> None:
    """Removes a file, if it is there.

    Raises:
        RunError: it cannot be removed.
    """
    if stat(location) is None:
        return
    with explained(location, "removed"):
        if not is_remote(location):
            Path(location).unlink(missing_ok=True)
            return
        store, path = _open_store(location)
        store.delete_file(path)


def delete_tree(directory: str) -> None:
    """Removes all files below a directory, if there are any.

    Raises:
        RunError: it cannot be removed.
    """
    with explained(directory, "removed"):
        if not is_remote(directory):
            if Path(directory).exists():
                shutil.rmtree(directory)
            return
        store, path = _open_store(directory)
        store.delete_dir_contents(path, missing_dir_ok=True)


def _write(stream: IO[bytes], location: str) -> None:
    if not is_remote(location):
        with replacing(Path(location)) as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(stream, file, _CHUNK)
        return
    store, path = _open_store(location)
    # An object comes into being when its stream is closed, which must not happen after an error.
    sink = store.open_output_stream(path, compression=None)  # what is called .gz would be compressed once more
    shutil.copyfileobj(stream, sink, _CHUNK)
    sink.close()


def _list_store(directory: str) -> Iterator[StoredFile]:
    from pyarrow.fs import FileSelector

    store, path = _open_store(directory)
    scheme = directory.partition("://")[0]
    for entry in store.get_file_info(FileSelector(path, allow_not_found=True, recursive=True)):
        if entry.is_file:
            yield StoredFile(f"{scheme}://{entry.path}", entry.size)


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
        if not is_remote(location):
            found = Path(location).stat()
            return f"{found.st_size}-{found.st_mtime_ns}"
        store, path = _open_store(location)
        with store.open_input_file(path) as file:
            told = file.metadata() or {}
            tag = next((told[key].decode() for key in ("ETag", "etag") if key in told), None)
            return f"{file.size()}-{tag or store.get_file_info(path).mtime_ns}"


def _open_store(location: str) -> "tuple[FileSystem, str]":
    """The file system of a URI, and the path in it."""
    scheme, _, path = location.partition("://")
    if scheme == "gs":
        return _google(os.environ.get("STORAGE_EMULATOR_HOST") or None), path.rstrip("/")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
    if region is None and endpoint is None:
        region = _region_of(path.partition("/")[0])
    return _amazon(endpoint, region), path.rstrip("/")


@cache
def _amazon(endpoint: str | None, region: str | None) -> "FileSystem":
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    if endpoint is not None and "@" in endpoint:
        raise ConfigError("AWS_ENDPOINT_URL must not hold credentials")
    return S3FileSystem(
        region=region,
        endpoint_override=endpoint,
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


@cache
def _region_of(bucket: str) -> str:
    from pyarrow.fs import resolve_s3_region

    return str(resolve_s3_region(bucket))


@cache
def _google(emulator: str | None) -> "FileSystem":
    from pyarrow.fs import GcsFileSystem

    limit = timedelta(seconds=_CONNECT_SECONDS * _ATTEMPTS)
    if emulator is None:
        return GcsFileSystem(retry_time_limit=limit)
    scheme, _, host = emulator.rpartition("://")
    return GcsFileSystem(anonymous=True, endpoint_override=host, scheme=scheme or "http", retry_time_limit=limit)
