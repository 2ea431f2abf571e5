"""Detects damage to the outputs of an execution: changed, missing and added files."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dataplane.files.digests import file_damage, file_digest


def entries(directory: Path, outputs: Iterable[str]) -> Iterator[str]:
    """Paths, relative to a directory, of all files in its outputs; the path of an empty directory ends with a slash."""
    for output in outputs:
        for folder, folders, names in os.walk(directory / output, followlinks=True):
            folders.sort()
            place = Path(folder).relative_to(directory).as_posix()
            if not folders and not names:
                yield f"{place}/"
            yield from (f"{place}/{name}" for name in sorted(names))


def take_digests(directory: Path, outputs: Iterable[str]) -> dict[str, str]:
    """Digest of every file in the outputs of an execution, by path; "" for an empty directory."""
    return {path: "" if path.endswith("/") else file_digest(directory / path) for path in entries(directory, outputs)}


def damages(
    directory: Path, outputs: Iterable[str], sizes: Mapping[str, int], digests: Mapping[str, str]
) -> Iterator[str]:
    """Describes each damaged file of an execution; cheap checks come first.

    Args:
        directory: the execution's directory.
        outputs: names of its outputs.
        sizes: size of each file in bytes, by path.
        digests: from `take_digests`; empty in records of older releases, for which only sizes are compared.
    """
    changed = {path: problem for path, size in sizes.items() if (problem := _size_problem(directory / path, size))}
    yield from (f"{path} {problem}" for path, problem in changed.items())
    if not digests:
        return
    there = set()
    for path in entries(directory, outputs):
        there.add(path)
        if path not in digests:
            yield f"{path} was added after the step ended"
    yield from (f"{path} is missing" for path in digests if path not in there and path not in changed)
    for path, digest in digests.items():
        if path in there and path not in changed and digest and (problem := file_damage(directory / path, digest)):
            yield f"{path} {problem}"


def _size_problem(file: Path, size: int) -> str:
    try:
        if not file.is_file():
            return "is missing" if not file.exists() else "is not a file"
        found = file.stat().st_size
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if found == size else f"has a size of {found:,} instead of {size:,} bytes"
