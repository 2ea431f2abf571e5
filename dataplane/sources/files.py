"""Which files a `path` setting means, and what they were when they were listed.

Light: standard library only, unless a file is in an object store.
"""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from dataplane.errors import DataError
from dataplane.files import storage
from dataplane.sources.config import FileEntities, FileInteractions, Paths, Split
from dataplane.sources.formats.file_kinds import PACKED_SUFFIXES
from dataplane.sources.partitions import Partitions, is_partition, partitions_of, same_partitions

_TEXT_SUFFIXES = {"csv": (".csv", ".tsv", ".txt"), "jsonl": (".jsonl", ".json", ".ndjson")}
_SUFFIXES = {
    "parquet": (".parquet", ".pq"),
    **{
        kind: tuple(f"{suffix}{packed}" for suffix in suffixes for packed in ("", *PACKED_SUFFIXES))
        for kind, suffixes in _TEXT_SUFFIXES.items()
    },
}
_BLOCK = 1 << 20
CHANGED = "run again when nobody writes to it, and give new files new names"
"""What to do about a table that is written to while it is read."""


@dataclass(frozen=True)
class SourceFile:
    """A file of a table.

    Attributes:
        location: its absolute path or URI.
        name: how it is called in messages and dead letters: relative to where the configuration's paths start.
        size: in bytes.
        split: split of all its rows, where files say it.
        partitions: the values that the names of its directories give its rows.
        version: what changes when it is written anew; empty until `with_versions`.
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
    """Files of a table, those of a directory or glob sorted by name, otherwise in the order given.

    Args:
        source: the table's settings.
        base_dir: what relative paths are relative to; the working directory if None.

    Raises:
        DataError: a path matches no file, a file is matched twice, or some lie in other partitions than others.
        RunError: a directory or store cannot be read.
    """
    base = (base_dir or Path()).absolute()
    by_split = source.path if isinstance(source.path, dict) else {None: source.path}
    files = [file for split, paths in by_split.items() for file in _expand(paths, base, source.format, split)]
    location, times = Counter(file.location for file in files).most_common(1)[0]
    if times > 1:
        raise DataError(f"{location} is meant {times} times by 'path'; its rows would count as often")
    same_partitions({file.name: file.partitions for file in files})
    return files


def with_versions(files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files as they are now.

    Raises:
        RunError: one is gone or cannot be read.
    """
    versions = storage.versions(file.location for file in files)
    return [replace(file, version=version) for file, version in zip(files, versions, strict=True)]


@contextmanager
def unchanged(location: str, name: str, version: str) -> Iterator[None]:
    """A block that reads a file, which must be the one that was listed; else that is the error, whatever came of it.

    Args:
        location: of the file; nothing is checked where it has no version.
        name: what the file is called.
        version: when it was listed.

    Raises:
        DataError: it was removed or written anew.
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


def content_digest(files: Iterable[SourceFile]) -> str:
    """Digest over names and content, the same wherever the files are kept; for stores, their tags of the content.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{file.split}\0{file.name}\0{file.size}\0".encode())
        if storage.is_remote(file.location):
            digest.update(file.version.encode())
            continue
        try:
            with Path(file.location).open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise DataError(f"cannot read {file.location}: {error.strerror}") from error
    return digest.hexdigest()


def _expand(paths: Paths, base: Path, file_format: str, split: Split | None) -> Iterator[SourceFile]:
    for pattern in [paths] if isinstance(paths, str) else paths:
        # Not Path.expanduser, which raises where there is no such user.
        location = pattern if storage.is_remote(pattern) else str(base / os.path.expanduser(pattern))  # noqa: PTH111
        found = _matches(location, file_format)
        if not found:
            raise DataError(_nothing_found(location, file_format))
        for file in found:
            name = _short_name(file.location, base)
            yield SourceFile(file.location, name, file.size, split, partitions_of(name))


def _matches(location: str, file_format: str) -> list[storage.StoredFile]:
    """The file, the files of the directory and its partitions, or what the glob matches: files and partitions."""
    file = storage.stat(location)
    if file is not None:
        return [file]
    if not glob.has_magic(location):
        return _in_directory(location, file_format)
    found = _glob_store(location) if storage.is_remote(location) else _glob_local(location)
    files: list[storage.StoredFile] = []
    for place in sorted(found):
        name = place.rpartition("/")[2]
        if is_partition(name):
            files += _in_directory(place, file_format)
        elif not name.startswith((".", "_")) and (file := storage.stat(place)) is not None:
            files.append(file)
    return files


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
    """Objects that match, and what would be their directories."""
    parts = pattern.rstrip("/").split("/")
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    found: set[str] = set()
    for file in storage.list_files("/".join(parts[:fixed])):
        names = file.location.split("/")
        found |= {
            "/".join(names[:end]) for end in range(fixed + 1, len(names) + 1) if _fits(names[fixed:end], parts[fixed:])
        }
    return found


def _fits(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_fits(names[start:], patterns[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _fits(names[1:], patterns[1:])


def _nothing_found(location: str, file_format: str) -> str:
    if glob.has_magic(location):
        return f"no file matches {location}"
    if storage.is_remote(location):
        return f"there is no file {location}, nor a {file_format} file ({', '.join(_SUFFIXES[file_format])}) below it"
    if os.path.isdir(location):  # noqa: PTH112  (Path.is_dir raises where a name is too long)
        suffixes = ", ".join(_SUFFIXES[file_format])
        return f"directory {location} has no {file_format} file ({suffixes}){_others(location)}"
    return f"file {location} does not exist"


def _others(directory: str) -> str:
    """How to name files without those endings, such as Hive's `000000_0`, if there are any."""
    names = sorted(entry.name for entry in Path(directory).iterdir() if entry.is_file() and entry.name[0] not in "._")
    return f"; if {names[0]} is one, name it by a glob: {directory.rstrip('/')}/*" if names else ""


def _short_name(location: str, base: Path) -> str:
    return location.removeprefix(f"{base}/") if not storage.is_remote(location) else location
