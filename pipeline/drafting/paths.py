"""Writes the files of a table as its `path` in a configuration."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from dataplane.errors import PipelineError
from dataplane.files.storage import is_remote
from dataplane.sources.config import Split
from dataplane.sources.files import SourceFile, source_files
from dataplane.sources.partitions import is_partition
from pipeline.drafting.layouts import source_of
from pipeline.drafting.tables import Table

_FEW_FILES = 4


def path_of(table: Table, given: Sequence[str], base: Path, *, by_split: bool) -> object:
    """A path, a list of paths, or one of these per split.

    Args:
        table: the table.
        given: paths as the user gave them; a path that means exactly these files is used again.
        base: directory that relative paths start from.
        by_split: whether file names may decide the split.
    """
    splits: Mapping[Split, Sequence[SourceFile]] = table.splits if by_split else {}
    if splits:
        order: tuple[Split, ...] = ("train", "validation", "test")
        return {split: _expression(table, splits[split], given, base) for split in order if split in splits}
    return _expression(table, table.files, given, base)


def _expression(table: Table, files: Sequence[SourceFile], given: Sequence[str], base: Path) -> object:
    partitioned = any(file.partitions for file in files)
    if len(files) == 1 and not partitioned:
        return _relative(files[0].location, base)
    wanted = {file.location for file in files}
    listed = [_relative(file.location, base) for file in files]
    for path in [*given, *_possible_paths(files, base)]:
        if path is None and not partitioned and len(listed) <= _FEW_FILES:
            return listed
        if path is not None and _means(table, path, base) == wanted:
            return _relative(path, base)
    return listed


def _possible_paths(files: Sequence[SourceFile], base: Path) -> Iterator[str | None]:
    """Possible paths, best first: a directory below `base`, None for a short list, a glob, any directory."""
    folders = [_unpartitioned(file.location).split("/") for file in files]
    folder = "/".join(_common_start(folders))
    if folder != str(base):
        yield folder
    yield None
    names = [file.location.rpartition("/")[2] for file in files]
    start = "".join(_common_start(names))
    end = "".join(_common_start([name[::-1] for name in names]))[::-1]
    yield f"{folder}/{start}*{end}"
    yield folder


def _common_start(sequences: Sequence[Sequence[str]]) -> list[str]:
    common = takewhile(lambda items: len(set(items)) == 1, zip(*sequences, strict=False))
    return [items[0] for items in common]


def _unpartitioned(location: str) -> str:
    parts = location.split("/")[:-1]
    while is_partition(parts[-1]):
        parts.pop()
    return "/".join(parts)


def _means(table: Table, path: str, base: Path) -> set[str]:
    try:
        return {file.location for file in source_files(source_of(table.settings, path), base)}
    except PipelineError:
        return set()


def _relative(path: str, base: Path) -> str:
    return path if is_remote(path) else Path(path).relative_to(base).as_posix()
