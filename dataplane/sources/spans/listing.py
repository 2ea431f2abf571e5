"""Finds the spans of a source whose paths have the placeholder `{SPAN}`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dataplane.errors import DataError
from dataplane.errors.messages import listed
from dataplane.sources.config import FileEntities, FileInteractions
from dataplane.sources.data_config import PLACEHOLDER, paths_of
from dataplane.sources.files import absolute, files_at, names_at
from dataplane.sources.spans.config import SpansConfig
from dataplane.sources.spans.notation import EXAMPLES, Notation, common_notation, notation_of

_SHOWN = 3


def has_spans(source: object) -> bool:
    """Whether the paths of a source have `{SPAN}`."""
    return any(PLACEHOLDER in path for path in paths_of(source))


class SpanError(DataError):
    """Spans that do not fit the settings.

    Attributes:
        key: dotted key of the setting at fault.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class SpanListing:
    """The spans of a source.

    Attributes:
        source: settings of the table, with `{SPAN}` in every path.
        base: directory that relative paths start from.
        notation: how the spans are written.
        positions: positions of the spans that have a directory or file, ascending.
        others: names in the place of a span that are none.
    """

    source: FileInteractions | FileEntities
    base: Path
    notation: Notation
    positions: tuple[int, ...]
    others: tuple[str, ...]

    @staticmethod
    def of(source: FileInteractions | FileEntities, base_dir: Path | None, config: SpansConfig) -> "SpanListing":
        """Lists the spans.

        Raises:
            SpanError: there is no span, or none in a known notation.
            RunError: a store cannot be reached.
        """
        base = (base_dir or Path()).absolute()
        names = sorted({name for pattern in paths_of(source) for name in _names(absolute(pattern, base))})
        notation, others = common_notation(names, None if config.kind == "auto" else config.kind)
        if notation is None:
            found = f"names no span, but {listed(others[:_SHOWN])}" if others else "does not exist for any span"
            kind = "" if config.kind == "auto" else f"; data.spans.kind is {config.kind}"
            where = " or ".join(paths_of(source))
            message = f"{where} {found}{kind}; {PLACEHOLDER} stands for {EXAMPLES}"
            raise SpanError("data.interactions.path", message)
        positions = {position for name in names if (position := notation.position(name)) is not None}
        return SpanListing(source, base, notation, tuple(sorted(positions)), tuple(others))

    def position(self, span: str) -> int:
        """Position of a span of the settings, in any notation of the same kind.

        Raises:
            SpanError: the span is of another kind.
        """
        notation = notation_of(span, self.notation.kind)
        found = None if notation is None else notation.position(span)
        if found is None:
            raise SpanError("data.spans.span", f"{span} is no {self.notation.kind}, as the spans are: {self.extent()}")
        return found

    def has_files(self, position: int) -> bool:
        """Whether every path of the source has files of a span."""
        if position not in self.positions:
            return False
        return all(files_at(absolute(path, self.base), self.source.format) for path in self.paths(position))

    def newest(self, until: int | None = None) -> int:
        """The newest span that has files.

        Args:
            until: ignores spans after this one.

        Raises:
            SpanError: there is none.
        """
        for position in reversed(self.positions):
            if (until is None or position <= until) and self.has_files(position):
                return position
        limit = "" if until is None else f" up to {self.notation.text(until)}"
        key = "data.interactions.path" if until is None else "data.spans.span"
        where = " or ".join(paths_of(self.source))
        raise SpanError(key, f"no span{limit} has files for {where}; there are spans {self.extent()}")

    def paths(self, position: int) -> list[str]:
        """Paths of a span's files."""
        return [pattern.replace(PLACEHOLDER, self.notation.text(position)) for pattern in paths_of(self.source)]

    def texts(self, positions: Iterable[int]) -> tuple[str, ...]:
        """Spans at some positions."""
        return tuple(self.notation.text(position) for position in positions)

    def extent(self) -> str:
        """The first and the last span, for messages."""
        first, last = self.notation.text(self.positions[0]), self.notation.text(self.positions[-1])
        return first if first == last else f"{first} to {last}"


def _names(pattern: str) -> Iterator[str]:
    """What stands in the place of `{SPAN}` in the files and directories that match a pattern.

    Example: `events/dt={SPAN}/*.csv` with a directory `events/dt=2026-11-21` gives `2026-11-21`.
    """
    parts = pattern.split("/")
    place = next(number for number, part in enumerate(parts) if PLACEHOLDER in part)
    glob = "/".join(parts[: place + 1]).replace(PLACEHOLDER, "*")
    before, *after = map(_as_regex, parts[place].split(PLACEHOLDER))
    named = re.compile(f"{before}(.+?)" + r"\1".join(after))
    for found in names_at(glob):
        if match := named.fullmatch(found.rstrip("/").rpartition("/")[2]):
            yield match[1]


def _as_regex(glob: str) -> str:
    """The wildcards `*` and `?` of one part of a path as a regular expression."""
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in glob)
