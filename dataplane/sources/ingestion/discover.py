"""A first look at all values, for what only they can tell: types of text columns, units of timestamps."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import pyarrow as pa

from dataplane.context import BeamRunner
from dataplane.errors import DataError
from dataplane.sources.config import CsvEntities, CsvInteractions, MappedEntities, MappedInteractions
from dataplane.sources.ingestion.column_types import described, is_text, type_of_declared, type_of_text
from dataplane.sources.ingestion.moments import most_voted, unit_votes
from dataplane.sources.ingestion.piece_rows import rows_of
from dataplane.sources.ingestion.reports import Report, read_reports, report_name
from dataplane.sources.ingestion.schemas import ColumnTypes, FileTypes, check_agreement, joined
from dataplane.sources.reading import Piece, Reader
from dataplane.sources.value_config import TimeUnit


@dataclass(frozen=True)
class Discovered:
    """What is known about the columns of a table before its rows are cleaned.

    Attributes:
        types: types seen in each source column, each with a file that has it.
        time_unit: what timestamps count; None without timestamps or where they are typed.
    """

    types: ColumnTypes
    time_unit: TimeUnit | None


@dataclass(frozen=True)
class Unknown:
    """A table about which something may have to be found out.

    Attributes:
        reader: reads it.
        source: its settings.
        pieces: its pieces.
        files: types of the columns of each file, if the format knows them.
    """

    reader: Reader
    source: MappedInteractions | MappedEntities
    pieces: Sequence[Piece]
    files: FileTypes | None

    @property
    def types(self) -> ColumnTypes | None:
        """Types seen in each column, if the format knows them."""
        return None if self.files is None else joined(self.files, self.pieces)

    @property
    def time_column(self) -> str | None:
        """Source column of the timestamp, if its values are not typed moments anyway."""
        column, _ = _time_of(self.source)
        if column is None or column in self.source.date_formats:
            return None
        return None if self.types is not None and set(self.types.get(column, ())) == {"timestamp"} else column

    @property
    def vote_on(self) -> str | None:
        """Source column of the timestamp, if its unit has to be found out."""
        return self.time_column if _time_of(self.source)[1] == "auto" else None

    def is_complete(self) -> bool:
        """Whether there is no need to look at values."""
        types = self.types
        return types is not None and (self.vote_on is None or self.vote_on not in types)


def discover(unknown: Mapping[str, Unknown], *, reports: Path, runner: BeamRunner) -> dict[str, Discovered]:
    """Finds out the types of columns and the unit of timestamps, reading values only where needed.

    Args:
        unknown: the tables by name.
        reports: an empty directory for what the workers find.
        runner: executes the look.

    Raises:
        DataError: a file is broken.
    """
    waiting = {name: table for name, table in unknown.items() if not table.is_complete()}
    if waiting:
        with runner.pipeline() as pipeline:
            for name, table in waiting.items():
                pieces = pipeline | name >> beam.Create(table.pieces) | f"Spread_{name}" >> beam.Reshuffle()
                _ = pieces | f"Look_{name}" >> beam.ParDo(_Look(table, reports))
    found = read_reports(reports)
    errors = [report.error for report in found if report.error]
    if errors:
        raise DataError("\n".join(errors[:5]))
    return {
        name: _discovered(table, [report for report in found if report.table == name])
        for name, table in unknown.items()
    }


def _discovered(table: Unknown, reports: Sequence[Report]) -> Discovered:
    files = _seen(reports) if table.files is None else table.files
    check_agreement(table.source, files, table.pieces)
    types = joined(files, table.pieces)
    if not any(files.values()):
        examples = [f"{reason}: {example}" for report in reports for reason, example in report.examples.items()]
        raise DataError("\n".join([f"{reports[0].table} has no rows that can be read", *examples[:3]]))
    if table.time_column is None:
        return Discovered(types, None)
    if table.vote_on is None:
        return Discovered(types, _time_of(table.source)[1])
    return Discovered(types, most_voted(report.seen["votes"] for report in reports))


@beam.typehints.with_output_types(str)  # nothing is emitted; said, because inferring it takes Beam a second
class _Look(beam.DoFn):
    """Types of all columns of a piece where they are unknown, and votes on the unit of its first timestamps."""

    def __init__(self, table: Unknown, reports: Path) -> None:
        self._reader = table.reader
        self._only = None if table.files is None else table.vote_on
        self._vote_on = table.vote_on
        self._as_text = _read_as_text(table.source)
        self._ordered_by = table.source.columns.order if isinstance(table.source, MappedInteractions) else None
        self._kinds = table.source.kinds()
        self._date_formats = set(table.source.date_formats)
        self._reports = reports

    def process(self, piece: Piece) -> None:
        report = Report(piece.table)
        types: dict[str, set[str]] = {}
        votes: Counter[str] = Counter()
        try:
            for batch in self._batches(piece, report):
                if self._vote_on in batch.schema.names and not votes:
                    votes.update(unit_votes(batch.column(self._vote_on)))
                if self._only is not None:
                    break
                for name, kind in self._types(batch):
                    if name not in dict(piece.partitions):
                        types.setdefault(name, set()).add(kind)
        except DataError as error:
            report.error = str(error)
        report.seen = {
            "file": piece.name,
            "types": {name: sorted(kinds) for name, kinds in types.items()},
            "votes": votes,
        }
        report.write(self._reports / report_name(piece))

    def _batches(self, piece: Piece, report: Report) -> Iterator[pa.RecordBatch]:
        columns = None if self._only is None else [self._only]
        for rows in rows_of(self._reader, piece, None, columns):
            report.count_dead([piece.name] * len(rows.rejects), rows.rejects)
            yield rows.batch

    def _types(self, batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
        for name in batch.schema.names:
            values = batch.column(name)
            kind = "number" if name == self._ordered_by else self._kinds.get(name)
            if not is_text(values.type):
                yield name, described(values.type)
            elif name in self._date_formats or (self._as_text is not None and name in self._as_text):
                yield name, "string"
            elif kind in ("number", "time"):
                yield name, type_of_declared(values.cast(pa.string()), kind)
            else:
                yield name, "string" if self._as_text is None else type_of_text(values)


def _time_of(source: MappedInteractions | MappedEntities) -> tuple[str | None, TimeUnit]:
    """Source column of the timestamp, and what is said about its unit."""
    if isinstance(source, MappedInteractions):
        return source.columns.timestamp, source.time_unit
    return (None, "auto") if source.pivot is None else (source.pivot.timestamp, source.pivot.time_unit)


def _read_as_text(source: MappedInteractions | MappedEntities) -> set[str] | None:
    """Columns of delimited text that stay text at first; None for formats that have types of their own."""
    if not isinstance(source, CsvInteractions | CsvEntities):
        return None
    if isinstance(source, CsvEntities):
        return {source.id, *source.list_columns, *(source.pivot.columns() if source.pivot else ())}
    mapped = source.columns.mapped()
    mapped.pop("order", None)
    return {*mapped.values(), *source.list_columns}


def _seen(reports: Iterable[Report]) -> dict[str, dict[str, set[str]]]:
    files: dict[str, dict[str, set[str]]] = {}
    for report in reports:
        columns = files.setdefault(report.seen["file"], {})
        for name, kinds in report.seen["types"].items():
            columns.setdefault(name, set()).update(kinds)
    return files
