"""Which files a `path` setting means, and what their content's digest is. Light: standard library only."""

import glob
import gzip
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from components.errors import DataError
from components.sources.config import FileEntities, FileInteractions, Paths, Split

_SUFFIXES = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz"),
    "jsonl": (".jsonl", ".json", ".ndjson", ".jsonl.gz", ".json.gz", ".ndjson.gz"),
}
_BLOCK = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """A file of a table.

    Attributes:
        path: where it is.
        name: how it is called in messages and dead letters: as short as the setting allows.
        split: split of all its rows, where files say it.
    """

    path: Path
    name: str
    split: Split | None = None


def source_files(source: FileInteractions | FileEntities, base_dir: Path | None) -> list[SourceFile]:
    """Files of a table, those of a directory or glob sorted by name, otherwise in the order given.

    Args:
        source: the table's settings.
        base_dir: what relative paths are relative to; the working directory if None.

    Raises:
        DataError: a path matches no file.
    """
    base = base_dir or Path()
    if not isinstance(source.path, dict):
        return list(_expand(source.path, base, source.format, None))
    return [file for split, paths in source.path.items() for file in _expand(paths, base, source.format, split)]


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed if it ends in `.gz`."""
    return cast(IO[bytes], gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))


def content_digest(files: Iterable[SourceFile]) -> str:
    """Digest over names and bytes, the same wherever the files are kept.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        try:
            size = file.path.stat().st_size
            digest.update(f"{file.split}\0{file.name}\0{size}\0".encode())
            with file.path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise DataError(f"cannot read {file.path}: {error.strerror}") from error
    return digest.hexdigest()


def _expand(paths: Paths, base: Path, file_format: str, split: Split | None) -> Iterator[SourceFile]:
    for pattern in [paths] if isinstance(paths, str) else paths:
        where = base / Path(pattern).expanduser()
        found = _matches(where, file_format)
        if not found:
            raise DataError(_nothing_found(where, file_format))
        for path in found:
            yield SourceFile(path, _short_name(path, base), split)


def _matches(where: Path, file_format: str) -> list[Path]:
    if where.is_file():
        return [where]
    if where.is_dir():
        return sorted(path for path in where.iterdir() if _is_data(path) and path.name.endswith(_SUFFIXES[file_format]))
    return sorted(path for path in _glob(where) if _is_data(path))


def _glob(pattern: Path) -> Iterator[Path]:
    return Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor)))


def _is_data(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "_"))


def _nothing_found(where: Path, file_format: str) -> str:
    if where.is_dir():
        return f"directory {where} has no {file_format} file ({', '.join(_SUFFIXES[file_format])})"
    if glob.has_magic(str(where)):
        return f"no file matches {where}"
    return f"file {where} does not exist"


def _short_name(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name
