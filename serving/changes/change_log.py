"""The log of changes of candidates since a version was published.

    DIRECTORY/.NAME/candidates/VERSION.log

Each line is the CRC-32 of its JSON as 8 hexadecimal digits, a space and the JSON. The first line names the version and
the identity of the model. Each line after it is a batch of changes that came together; a batch is in force as a whole
or not at all. The last line of a log whose changes went on to a newer version names that version; nothing can be added
to such a log.

`append` returns once the batch is on the disk. A process that is killed before leaves at most a torn last line, which
readers pass over and the next writer cuts off. A bad line before a good one is damage, and is refused. Writers hold the
lock on the directory; readers need none, as no good line ever changes.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from dataplane.artifacts.identity import Identity
from dataplane.errors import RefusedError, RunError
from dataplane.files.locks import exclusive
from models.spec.durable import sync

Inputs = Mapping[str, Any]
"""Inputs of `embed_candidate` by name, as JSON values; absent ones are missing values."""
_SUM = 9  # characters before the JSON of a line


class SealedError(Exception):
    """The changes of the log went on to a newer version."""


@dataclass(frozen=True)
class Change:
    """One change: the later of two changes of a candidate counts.

    Attributes:
        candidate: id of the candidate.
        inputs: features of a candidate that was added or updated; None for one that was removed.
        attributes: what the filters read of it by their names: text, texts, a number, or None for a missing value. A
            filter without an entry does not know the candidate.
    """

    candidate: str
    inputs: Inputs | None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def entry(self) -> list[Any]:
        """The change as JSON."""
        return [self.candidate, self.inputs, *([dict(self.attributes)] if self.attributes else [])]


@dataclass(frozen=True)
class Logged:
    """What a reader found behind an offset.

    Attributes:
        changes: the changes, oldest first.
        end: offset behind the last good line.
        sealed_by: the version that the changes went on to; None as long as the log is open.
    """

    changes: Sequence[Change]
    end: int
    sealed_by: int | None


class ChangeLog:
    """The log of one version.

    Attributes:
        file: where it is; absent as long as nothing has changed.
        version: number of the version.
    """

    def __init__(self, directory: Path, version: int, identity: Identity) -> None:
        """Names a log; reads and writes nothing.

        Args:
            directory: directory of the logs of a model.
            version: number of the version.
            identity: identity of the version.
        """
        self.file, self.version = directory / f"{version}.log", version
        self._header = {"version": version, "identity": dict(identity)}
        self._end = 0  # offset behind the lines that `append_locked` has seen, so that it reads new ones only

    def append(self, changes: Sequence[Change]) -> None:
        """Adds a batch, and returns once it is on the disk.

        Raises:
            SealedError: the changes went on to a newer version.
            RefusedError: the log is damaged, or was made for another model.
            RunError: the log cannot be written; nothing was added.
        """
        try:
            if not self.file.parent.is_dir():
                self.file.parent.mkdir(parents=True, exist_ok=True)
                sync(self.file.parent.parent)
            with exclusive(self.file.parent):
                self.append_locked({"changes": [change.entry() for change in changes]})
        except OSError as error:
            raise RunError(f"no candidate was changed: {self.file} cannot be written: {error}") from error

    def append_locked(self, line: Mapping[str, Any]) -> None:
        """Adds a line; the caller holds the lock on the directory. Errors as `append`, and OSError."""
        is_longer = self.file.exists() and self.file.stat().st_size >= self._end
        found = self.read(self._end if is_longer else 0)
        self._end = found.end
        if found.sealed_by is not None:
            self._end = 0
            raise SealedError(str(found.sealed_by))
        text = (b"" if found.end else _line(self._header)) + _line(line)
        with self.file.open("r+b" if self.file.exists() else "xb", buffering=0) as file:
            file.truncate(found.end)  # cuts a torn line off
            file.seek(found.end)
            _write(file, text, found.end)
        if not found.end:
            sync(self.file.parent)

    def seal(self, version: int) -> None:
        """Ends the log, whose changes went on to a newer version; the caller holds the lock. Errors as `append`."""
        self.append_locked({"sealed_by": version})

    def read(self, start: int = 0) -> Logged:
        """Reads the good lines from an offset on, which a former call returned as `end`.

        Raises:
            RefusedError: the log is damaged, or was made for another model.
            OSError: the file cannot be read.
        """
        changes, end, sealed = list[Change](), start, None
        for content, behind in _good_lines(self.file, start):
            end = behind
            if "identity" in content:
                self._check(content)
            changes += [Change(*entry) for entry in content.get("changes", ())]
            sealed = content.get("sealed_by", sealed)
        return Logged(changes, end, sealed)

    def _check(self, header: Mapping[str, Any]) -> None:
        if header != self._header:
            raise RefusedError(
                f"{self.file} has changes of candidates that were made for another model than version {self.version} "
                "of today; move the file away and make the changes again"
            )


def logged_versions(directory: Path) -> list[int]:
    """The versions that have a log, oldest first."""
    return sorted(int(file.stem) for file in directory.glob("*.log") if file.stem.isdecimal())


def logged_identity(directory: Path, version: int) -> Identity | None:
    """The identity of the model that a log was made for; None without a good first line."""
    first = next(_good_lines(directory / f"{version}.log", 0), None)
    return None if first is None else first[0].get("identity")


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _write(file: FileIO, text: bytes, end: int) -> None:
    rest = memoryview(text)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)  # the disk may be full; what was not acknowledged must not come into force later
        raise


def _good_lines(file: Path, start: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Content of each good line, and the offset behind it.

    Raises:
        RefusedError: a bad line stands before a good one.
    """
    if not file.exists():
        return
    bad, end = None, start
    with file.open("rb") as lines:
        lines.seek(start)
        for line in lines:
            begin, end = end, end + len(line)
            content = _content(line)
            if content is None:
                bad = begin if bad is None else bad
            elif bad is not None:
                raise RefusedError(f"{file} is damaged at byte {bad}; restore the file, or move it away")
            else:
                yield content, end


def _content(line: bytes) -> dict[str, Any] | None:
    """The JSON of a line; None if the line is torn or damaged."""
    text = line[_SUM:-1]
    if not line.endswith(b"\n") or line[:_SUM] != b"%08x " % zlib.crc32(text):
        return None
    content: dict[str, Any] = json.loads(text)
    return content
