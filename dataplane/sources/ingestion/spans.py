"""Reads interactions span by span. The clean rows of each span are a part that later windows use again.

What a row becomes depends on the columns of the whole window, but not on its other rows. So the columns of each span
are found first, and then all rows are cleaned by one plan. A part's key names the files with their content, the
settings, the plan and the code. So the parts are those of a run that reads the whole window.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from dataplane.artifacts import Examples
from dataplane.context import ExecutionContext
from dataplane.errors import DataError
from dataplane.parts import Part, Parts, link
from dataplane.shards import shard_path
from dataplane.sources.config import FileInteractions
from dataplane.sources.files import SourceFile
from dataplane.sources.ingestion.derivation import firsts_path, read_spans
from dataplane.sources.ingestion.discover import Discovered, UndiscoveredTable, discovered, inspect
from dataplane.sources.ingestion.ingest import Table
from dataplane.sources.ingestion.piece_cleaning import Folders
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.ingestion.reports import Report, dead_letters_path, read_reports, report_from, report_name
from dataplane.sources.ingestion.schemas import FileTypes
from dataplane.sources.readers import make_reader
from dataplane.sources.reading import Piece, Reader
from dataplane.watching import watched

_INTERACTIONS = "interactions"


@dataclass(frozen=True)
class Span:
    """A span of the window.

    Attributes:
        name: the span, as its paths write it.
        files: its files.
        digests: digest of the content of each file, by name.
    """

    name: str
    files: Sequence[SourceFile]
    digests: Mapping[str, str]

    @property
    def content(self) -> list[list[str]]:
        """What its files hold, for keys."""
        return [[file.name, self.digests[file.name]] for file in self.files]

    def has_bytes(self) -> bool:
        """Whether any of its files has content."""
        return any(file.size for file in self.files)


@dataclass(frozen=True)
class Scan:
    """What is known of a span before its rows are cleaned.

    Attributes:
        sizes: approximate bytes of each of its pieces; empty if it has no rows.
        types: column types of each file; None if the format does not store types.
        reports: column types and votes on the time unit that were found in the values.
    """

    sizes: list[int]
    types: dict[str, dict[str, list[str]]] | None
    reports: list[dict[str, Any]]


@dataclass(frozen=True)
class SpanRows:
    """The clean rows of a span.

    Attributes:
        span: the span.
        part: holds `interactions/`, `dead_letters/` and the rows that describe derived tables.
        is_new: whether it was read just now.
        was_changed: whether other files of the span had been read before.
    """

    span: Span
    part: Part
    is_new: bool
    was_changed: bool

    @property
    def pieces(self) -> int:
        """Number of pieces that the span was cut into."""
        return int(self.part.about["pieces"])

    @cached_property
    def report(self) -> Report:
        """Row counts of the span."""
        total = Report(_INTERACTIONS)
        for values in self.part.about["reports"]:
            total.add(report_from(values))
        return total


@dataclass(frozen=True)
class SpanReading:
    """Reads the spans of a window.

    Attributes:
        source: settings of the interactions.
        parts: parts of earlier executions.
        context: Beam runner, progress and scratch space.
        scratch: directory for temporary files.
    """

    source: FileInteractions
    parts: Parts
    context: ExecutionContext
    scratch: Path

    def scans(self, spans: Sequence[Span]) -> dict[str, Scan]:
        """Scans each span, or takes its earlier scan.

        Raises:
            DataError: a file is broken.
        """
        keys = {span.name: self._key("scan", span) for span in spans}
        found = {name: part for name, key in keys.items() if (part := self.parts.find(key))}
        new = [span for span in spans if span.name not in found]
        made = self._scanned(new) if new else {}
        for name, scan in made.items():
            with self.parts.adding(keys[name], {"span": name, **vars(scan)}):
                pass
        kept = {
            name: Scan(**{field.name: part.about[field.name] for field in fields(Scan)}) for name, part in found.items()
        }
        return {span.name: {**kept, **made}[span.name] for span in spans}

    def columns(self, spans: Sequence[Span], scans: Mapping[str, Scan]) -> tuple[UndiscoveredTable, Discovered]:
        """The interactions of the window, and their columns and time unit.

        Raises:
            DataError: spans disagree on a column, or none has rows.
        """
        if not any(scan.sizes for scan in scans.values()):
            raise DataError(f"{_INTERACTIONS} has no rows in any span of the window")
        files = [file for span in spans for file in span.files]
        pieces = [
            Piece(_INTERACTIONS, index, file.location, file.name, partitions=file.partitions)
            for index, file in enumerate(files)
        ]
        known = [scans[span.name].types for span in spans]
        types = None if None in known else {name: columns for each in known for name, columns in (each or {}).items()}
        reports = [report_from(values) for span in spans for values in scans[span.name].reports]
        table = UndiscoveredTable(self._reader(files), self.source, pieces, types)
        return table, discovered(table, reports)

    def rows(self, spans: Sequence[Span], plan: TablePlan, derived: Mapping[str, Sequence[str]]) -> list[SpanRows]:
        """Cleans the spans that no part has, and stores them as parts.

        Raises:
            DataError: a file is broken or changed while it was read.
        """
        settings = {"plan": _text(plan), "derived": dict(derived)}
        keys = {span.name: self._key("rows", span, **settings) for span in spans}
        kept = {span.name: part for span in spans if (part := self.parts.find(keys[span.name]))}
        new = [span for span in spans if span.name not in kept]
        earlier = self._earlier_content() if new else {}
        if new:
            self._read(new, keys, plan, derived)
        changed = {span.name for span in new if span.content not in earlier.get(span.name, [span.content])}
        parts = {**{span.name: self._found(keys[span.name]) for span in new}, **kept}
        return [SpanRows(span, parts[span.name], span in new, span.name in changed) for span in spans]

    def _key(self, kind: str, span: Span, **others: Any) -> str:
        source = self.source.model_dump(mode="json", exclude={"path"})
        return self.parts.key(kind=kind, source=source, files=span.content, **others)

    def _found(self, key: str) -> Part:
        part = self.parts.find(key)
        if part is None:
            raise DataError(f"{self.parts.directory / key} was damaged as soon as it was written")
        return part

    def _earlier_content(self) -> dict[str, list[list[list[str]]]]:
        """What the files of each span held when they were read before."""
        found: dict[str, list[list[list[str]]]] = {}
        for part in self.parts.every():
            if "content" in part.about:
                found.setdefault(part.about["span"], []).append(part.about["content"])
        return found

    def _reader(self, files: Sequence[SourceFile]) -> Reader:
        return make_reader(_INTERACTIONS, self.source, files)

    def _scanned(self, spans: Sequence[Span]) -> dict[str, Scan]:
        reader = self._reader([file for span in spans if span.has_bytes() for file in span.files])
        pieces = reader.pieces()
        types = reader.types(pieces)
        self.context.progress(f"looking at the columns of {len(spans)} spans")
        reports = self.scratch / "scanned"
        reports.mkdir()
        table = UndiscoveredTable(reader, self.source, pieces, types)
        found = inspect({_INTERACTIONS: table}, reports=reports, runner=self.context.beam)
        return {span.name: _scan(span, pieces, types, found) for span in spans}

    def _read(
        self, spans: Sequence[Span], keys: Mapping[str, str], plan: TablePlan, derived: Mapping[str, Sequence[str]]
    ) -> None:
        reader = self._reader([file for span in spans if span.has_bytes() for file in span.files])
        pieces = reader.pieces()
        folders = Folders(self.scratch / "rows", self.scratch / "row_reports", self.scratch / "spilled_rows")
        folders.reports.mkdir()
        for folder in (_INTERACTIONS, "dead_letters"):
            (folders.output / folder).mkdir(parents=True)
        written = {folders.reports / report_name(piece): piece.size for piece in pieces}
        self.context.progress(f"reading {len(spans)} spans")
        with watched(self.context.progress, written, "bytes"), self.context.beam.pipeline() as pipeline:
            read_spans(pipeline, Table(reader, plan, pieces), derived, folders)
        reports = _complete_reports(pieces, folders.reports)
        for span in spans:
            own = [piece for piece in pieces if piece.name in span.digests]
            about = {
                "span": span.name,
                "content": span.content,
                "pieces": len(own),
                "reports": [vars(reports[piece.index]) for piece in own],
            }
            with self.parts.adding(keys[span.name], about) as directory:
                _move(own, folders.output, directory, derived)


def assemble(rows: Sequence[SpanRows], output: Examples) -> None:
    """Makes the shards and dead letters of a window from the parts of its spans, without reading them."""
    for each, first in zip(rows, offsets(rows), strict=True):
        for number in range(each.pieces):
            for source, target in zip(_files(each.part.path, number), _files(output.path, first + number), strict=True):
                if source.exists():
                    link(source, target)


def offsets(rows: Sequence[SpanRows]) -> list[int]:
    """Number of the first piece of each span in the window."""
    return list(accumulate([each.pieces for each in rows[:-1]], initial=0))


def firsts(rows: Sequence[SpanRows], table: str) -> list[tuple[int, str]]:
    """Number of each piece of the window, and the file of its rows that describe a derived table."""
    return [
        (first + number, str(firsts_path(each.part.path, table, number)))
        for each, first in zip(rows, offsets(rows), strict=True)
        for number in range(each.pieces)
    ]


def _files(directory: Path, number: int) -> tuple[Path, Path]:
    """Shard and dead letters of a piece."""
    return shard_path(directory / _INTERACTIONS, number), dead_letters_path(directory, _INTERACTIONS, number)


def _move(pieces: Sequence[Piece], output: Path, target: Path, derived: Iterable[str]) -> None:
    """Moves what was written for the pieces of a span to its part, and numbers the pieces from 0."""
    for number, piece in enumerate(pieces):
        moved = list(zip(_files(output, piece.index), _files(target, number), strict=True))
        moved += [(firsts_path(output, name, piece.index), firsts_path(target, name, number)) for name in derived]
        for source, to in moved:
            if source.exists():
                to.parent.mkdir(parents=True, exist_ok=True)
                source.rename(to)


def _scan(span: Span, pieces: Sequence[Piece], types: FileTypes | None, reports: Sequence[Report]) -> Scan:
    own = None
    if types is not None:
        own = {name: {it: sorted(kinds) for it, kinds in types.get(name, {}).items()} for name in span.digests}
    return Scan(
        sizes=[piece.size for piece in pieces if piece.name in span.digests],
        types=own,
        reports=[vars(report) for report in reports if report.seen["file"] in span.digests],
    )


def _complete_reports(pieces: Sequence[Piece], directory: Path) -> dict[int, Report]:
    """The report on each piece, by its index.

    Raises:
        DataError: a piece is broken.
    """
    reports = {piece.index: report for piece, report in zip(pieces, read_reports(directory), strict=True)}
    if errors := [report.error for report in reports.values() if report.error]:
        raise DataError("\n".join(errors[:5]))
    return reports


def _text(plan: TablePlan) -> str:
    """What decides about the clean rows; not the reasons for columns that are left out, which name files."""
    return repr(replace(plan, dropped={}, types=dict(sorted(plan.types.items()))))
