"""Finds the files that a `path` setting names, and detects files that change after they were listed.

The module imports only the standard library, unless a file is in an object store.
"""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from dataplane.errors import DataError
from dataplane.files import storage
from dataplane.sources.config import FileEntities, FileInteractions, Paths, Split
from dataplane.sources.formats.file_kinds import PACKED_SUFFIXES
from dataplane.sources.partitions import Partitions, check_same_partitions, is_partition, partitions_of

_TEXT_SUFFIXES = {"csv": (".csv", ".tsv", ".txt"), "jsonl": (".jsonl", ".json", ".ndjson")}
_SUFFIXES = {
    "parquet": (".parquet", ".pq"),
    **{
        kind: tuple(f"{suffix}{packed}" for suffix in suffixes for packed in ("", *PACKED_SUFFIXES))
        for kind, suffixes in _TEXT_SUFFIXES.items()
    },
}
_BLOCK = 1 << 20
CHANGED = "run again when nothing writes to it, and write new data to new files"
"""Advice for a table that changes while it is read."""


@dataclass(frozen=True)
class SourceFile:
    """A file of a table.

    Attributes:
        location: absolute path or URI.
        name: name in messages and dead letters: the path relative to the base directory, or the URI.
        size: size in bytes.
        split: split of all its rows, if `path` names files by split.
        partitions: columns that its directories give its rows.
        version: identifies the content of the file; empty until `with_versions`.
    """

    location: str
    name: str
    size: int
    split: Split | None = None
    partitions: Partitions = ()
    version: str = ""


Snapshot: TypeAlias = Mapping[str, Sequence[SourceFile]]
"""Files of each table, with their versions."""


def source_files(source: FileInteractions | FileEntities, base_dir: Path | None) -> list[SourceFile]:
    """Files of a table, in the order of `path`; the files of each directory or glob are sorted by name.

    Args:
        source: settings of the table.
        base_dir: directory from which relative paths start; the working directory if None.

    Raises:
        DataError: a path matches no file, two paths match the same file, or partition columns differ between files.
        RunError: a directory or store cannot be read.
    """
    base = (base_dir or Path()).absolute()
    by_split = source.path if isinstance(source.path, dict) else {None: source.path}
    files = [file for split, paths in by_split.items() for file in _expand(paths, base, source.format, split)]
    location, times = Counter(file.location for file in files).most_common(1)[0]
    if times > 1:
        raise DataError(f"'path' names {location} {times} times, so its rows would count {times} times; name it once")
    check_same_partitions({file.name: file.partitions for file in files})
    return files


def with_versions(files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files with their current versions.

    Raises:
        RunError: a file is gone or cannot be read.
    """
    versions = storage.versions(file.location for file in files)
    return [replace(file, version=version) for file, version in zip(files, versions, strict=True)]


@contextmanager
def unchanged(location: str, name: str, version: str) -> Iterator[None]:
    """Checks after the block, which reads a file, that the file is still the one that was listed.

    If the file changed, that is reported instead of any DataError of the block, which is then a consequence.

    Args:
        location: location of the file.
        name: name of the file in messages.
        version: version of the file when it was listed; if empty, nothing is checked.

    Raises:
        DataError: the file was removed or changed.
    """
    try:
        yield
    except DataError as error:
        _check_version(location, name, version, error)
        raise
    _check_version(location, name, version, None)


def _check_version(location: str, name: str, version: str, cause: DataError | None) -> None:
    if not version:
        return
    what = "was removed"
    if storage.stat(location) is not None:
        if storage.versions([location]) == [version]:
            return
        what = "changed"
    raise DataError(f"{name} {what} while it was being read; {CHANGED}") from cause


def content_digest(file: SourceFile) -> str:
    """Digest of a file's split and content, independent of its directory.

    For a file in an object store the store's content tag is used.

    Raises:
        DataError: the file cannot be read.
    """
    digest = hashlib.blake2b(f"{file.split}\0{file.size}\0".encode(), digest_size=16)
    if storage.is_remote(file.location):
        digest.update(file.version.encode())
        return digest.hexdigest()
    try:
        with Path(file.location).open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise DataError(f"cannot read {file.location}: {error.strerror}") from error
    return digest.hexdigest()


def absolute(pattern: str, base: Path) -> str:
    """The location that a path or pattern of the settings names."""
    # Path.expanduser would raise if there is no such user.
    return pattern if storage.is_remote(pattern) else str(base / os.path.expanduser(pattern))  # noqa: PTH111


def _expand(paths: Paths, base: Path, file_format: str, split: Split | None) -> Iterator[SourceFile]:
    for pattern in [paths] if isinstance(paths, str) else paths:
        location = absolute(pattern, base)
        found = files_at(location, file_format)
        if not found:
            raise DataError(_no_files_message(location, file_format))
        for file in found:
            name = _short_name(file.location, base)
            yield SourceFile(file.location, name, file.size, split, partitions_of(name))


def files_at(location: str, file_format: str) -> list[storage.StoredFile]:
    """Files at a location, which is a file, a directory (with its partitions) or a glob of files and partitions."""
    file = storage.stat(location)
    if file is not None:
        return [file]
    if not glob.has_magic(location):
        return _in_directory(location, file_format)
    files: list[storage.StoredFile] = []
    for match in sorted(names_at(location)):
        name = match.rpartition("/")[2]
        if is_partition(name):
            files += _in_directory(match, file_format)
        elif not name.startswith((".", "_")) and (file := storage.stat(match)) is not None:
            files.append(file)
    return files


def names_at(pattern: str) -> set[str]:
    """Files and directories that match a glob."""
    return _glob_store(pattern) if storage.is_remote(pattern) else _glob_local(pattern)


def _in_directory(directory: str, file_format: str) -> list[storage.StoredFile]:
    files = storage.list_files(directory, descend=is_partition)
    names = {file.location: file.location.rpartition("/")[2] for file in files}
    return [
        file
        for file in files
        if names[file.location].endswith(_SUFFIXES[file_format]) and not names[file.location].startswith((".", "_"))
    ]


def _glob_local(pattern: str) -> set[str]:
    path = Path(pattern)
    return {str(found) for found in Path(path.anchor).glob(str(path.relative_to(path.anchor)))}


def _glob_store(pattern: str) -> set[str]:
    """Objects and prefixes ("directories") that match a glob.

    fsspec's glob over pyarrow lists one prefix at a time, and pyarrow finds no prefixes in Google's store.

    For example, with objects `s3://b/dt=1/x.csv` and `s3://b/dt=2/y.csv` the glob `s3://b/dt=*` gives `s3://b/dt=1`
    and `s3://b/dt=2`.
    """
    parts = pattern.rstrip("/").split("/")
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    found: set[str] = set()
    for file in storage.list_files("/".join(parts[:fixed])):
        names = file.location.split("/")
        found |= {
            "/".join(names[:end])
            for end in range(fixed + 1, len(names) + 1)
            if _parts_match(names[fixed:end], parts[fixed:])
        }
    return found


def _parts_match(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_parts_match(names[start:], patterns[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _parts_match(names[1:], patterns[1:])


def _no_files_message(location: str, file_format: str) -> str:
    if glob.has_magic(location):
        return f"no file matches {location}"
    if storage.is_remote(location):
        suffixes = ", ".join(_SUFFIXES[file_format])
        return f"there is no file {location} and no {file_format} file ({suffixes}) below it"
    if os.path.isdir(location):  # noqa: PTH112  (Path.is_dir raises if a name is too long)
        suffixes = ", ".join(_SUFFIXES[file_format])
        return f"directory {location} has no {file_format} file ({suffixes}){_glob_hint(location, file_format)}"
    return f"file {location} does not exist"


def _glob_hint(directory: str, file_format: str) -> str:
    """How to name files without a known suffix, such as Hive's `000000_0`; "" if the directory has no files."""
    names = sorted(entry.name for entry in Path(directory).iterdir() if entry.is_file() and entry.name[0] not in "._")
    if not names:
        return ""
    return f"; if {names[0]} is a {file_format} file, name it by a glob: {directory.rstrip('/')}/*"


def _short_name(location: str, base: Path) -> str:
    return location.removeprefix(f"{base}/") if not storage.is_remote(location) else location
