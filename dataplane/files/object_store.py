"""Opens Google's and Amazon's object stores with pyarrow, and lists their objects.

The module is light to import: it imports pyarrow at the first use of a URI.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from dataplane.errors import ConfigError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

CONNECTIONS = 16
"""Number of concurrent requests; each one mostly waits for the store."""

_CONNECT_SECONDS, _REQUEST_SECONDS, _ATTEMPTS = 3, 60, 3


def open_store(uri: str) -> "tuple[FileSystem, str]":
    """The file system of a URI, and the path within that file system.

    Raises:
        ConfigError: the endpoint in the environment holds credentials.
        OSError: the bucket's region cannot be determined.
    """
    scheme, _, path = uri.partition("://")
    if scheme == "gs":
        return _google(os.environ.get("STORAGE_EMULATOR_HOST") or None), path.rstrip("/")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
    if region is None and endpoint is None:
        region = _region_of(path.partition("/")[0])
    return _amazon(endpoint, region), path.rstrip("/")


def list_objects(uri: str) -> Iterator[tuple[str, int]]:
    """URI and size of every object below a URI; the store returns up to a thousand objects per request.

    Raises:
        OSError: the store cannot be read.
    """
    from pyarrow.fs import FileSelector

    store, path = open_store(uri)
    scheme = uri.partition("://")[0]
    for entry in store.get_file_info(FileSelector(path, allow_not_found=True, recursive=True)):
        if entry.is_file:
            yield f"{scheme}://{entry.path}", entry.size


def object_version(uri: str) -> str:
    """Size and entity tag of an object, or size and modification time if the store has no tags; reads no content.

    Raises:
        OSError: the object does not exist, or the store cannot be read.
    """
    store, path = open_store(uri)
    with store.open_input_file(path) as file:
        metadata = file.metadata() or {}
        tag = next((metadata[key].decode() for key in ("ETag", "etag") if key in metadata), None)
        return f"{file.size()}-{tag or store.get_file_info(path).mtime_ns}"


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
