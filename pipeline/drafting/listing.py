"""Lists the files that the arguments of `init` mean."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from dataplane.errors import ConfigError, DataError
from dataplane.errors.credentials import redacted
from dataplane.files import storage
from dataplane.sources.config import ParquetEntities
from dataplane.sources.files import source_files

_NO_DATA_STEMS = ("readme", "license", "licence", "copying", "changelog", "notice", "makefile", "dockerfile")
_NO_DATA = (
    ".md", ".rst", ".pdf", ".html", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".py", ".pyc", ".ipynb", ".sh", ".r",
    ".sql", ".crc", ".log", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".doc", ".docx", ".exe", ".so", ".tmp", ".lock",
)  # fmt: skip
_MOST_FILES = 100_000


def absolute(path: str) -> str:
    """A path as it will be written. Local paths become absolute; links stay, because their target may change."""
    if not storage.is_remote(path):
        return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111
    return path.rstrip("/")


def data_files(path: str) -> list[storage.StoredFile]:
    """The files that an absolute path or URI means: itself, all files below a directory, or the matches of a glob.

    Raises:
        ConfigError: there is no file, or the path cannot be read.
        RunError: a directory or store cannot be read.
    """
    _check(path)
    file = storage.stat(path)
    if file is not None:
        return [file]
    found = _matching(path) if glob.has_magic(path) else list(_below(path))
    if not found:
        raise ConfigError(
            f"{path} is not a file, and no directory or glob with files that could hold data{_seen(path)}"
        )
    if len(found) > _MOST_FILES:
        raise ConfigError(
            f"{path} means {len(found)} files; at most {_MOST_FILES} are allowed: name the tables' folders"
        )
    return found


def common_directory(paths: Sequence[str]) -> Path:
    """Base directory of the draft: the common directory of all local paths, or the working directory without any."""
    local = [path for path in paths if not storage.is_remote(path)]
    return Path(os.path.commonpath([_directory(path) for path in local])) if local else Path.cwd()


def _directory(path: str) -> str:
    parts = path.split("/")
    fixed = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    if fixed == len(parts) and Path(path).is_dir():
        return path
    return "/".join(parts[: min(fixed, len(parts) - 1)]) or "/"


def _check(path: str) -> None:
    try:
        storage.check_uri(path)
    except ValueError as error:
        raise ConfigError(f"{redacted(path)}: {error}") from None
    if "\0" in path:
        raise ConfigError(f"{path!r} is not a path")


def _matching(pattern: str) -> list[storage.StoredFile]:
    """Files that match a glob, and the files below matching directories."""
    if storage.is_remote(pattern):
        return _matching_objects(pattern)
    found = (storage.stat(match) or match for match in sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207
    files = [[match] if isinstance(match, storage.StoredFile) else list(_below(match)) for match in found]
    listed = {file.location: file for group in files for file in group if _could_hold_data(file.location)}
    return list(listed.values())


def _matching_objects(pattern: str) -> list[storage.StoredFile]:
    try:
        source = ParquetEntities(format="parquet", path=pattern, id="any")
        return [storage.StoredFile(file.location, file.size) for file in source_files(source, None)]
    except (DataError, ValidationError):
        return []


def _below(directory: str) -> Iterator[storage.StoredFile]:
    for file in storage.list_files(directory, descend=lambda name: not name.startswith((".", "_"))):
        if _could_hold_data(file.location):
            yield file


def _seen(path: str) -> str:
    if storage.is_remote(path) or not Path(path).is_dir():
        return ""
    names = sorted(entry.name for entry in Path(path).iterdir())
    return f"; it has {', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else "; it is empty"


def _could_hold_data(location: str) -> bool:
    name = location.rpartition("/")[2].lower()
    hidden = name.startswith((".", "_"))
    return not hidden and name.partition(".")[0] not in _NO_DATA_STEMS and not name.endswith(_NO_DATA)
