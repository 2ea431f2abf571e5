"""Finds out what only the values show: the types of text columns and the unit of timestamps."""

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
from dataplane.sources.ingestion.schemas import ColumnTypes, FileTypes, check_agreement, types_by_column
from dataplane.sources.reading import Piece, Reader
from dataplane.sources.value_config import TimeUnit


@dataclass(frozen=True)
class Discovered:
    """The columns of a table, known before its rows are cleaned.

    Attributes:
        types: types seen in each source column, each with the first file that has it.
        time_unit: unit of the timestamps; None if the table has none or stores them with a date type.
    """

    types: ColumnTypes
    time_unit: TimeUnit | None


@dataclass(frozen=True)
class UndiscoveredTable:
    """A table whose column types or time unit may be unknown.

    Attributes:
        reader: reads the table.
        source: settings of the table.
        pieces: pieces of the table's files.
        files: column types of each file; None if the format does not store types.
    """

    reader: Reader
    source: MappedInteractions | MappedEntities
    pieces: Sequence[Piece]
    files: FileTypes | None

    @property
    def types(self) -> ColumnTypes | None:
        """Types seen in each column; None if the format does not store types."""
        return None if self.files is None else types_by_column(self.files, self.pieces)

    @property
    def time_column(self) -> str | None:
        """Source column of the timestamp; None if its values have a date type or a declared format."""
        column, _ = _time_of(self.source)
        if column is None or column in self.source.date_formats:
            return None
        return None if self.types is not None and set(self.types.get(column, ())) == {"timestamp"} else column

    @property
    def vote_on(self) -> str | None:
        """Source column of the timestamp if its unit is unknown, else None."""
        return self.time_column if _time_of(self.source)[1] == "auto" else None

    def is_complete(self) -> bool:
        """Whether everything is known without reading values."""
        types = self.types
        return types is not None and (self.vote_on is None or self.vote_on not in types)


def discover(tables: Mapping[str, UndiscoveredTable], *, reports: Path, runner: BeamRunner) -> dict[str, Discovered]:
    """Finds the column types and the time unit of each table, and reads values only where needed.

    Args:
        tables: the tables by name.
        reports: an empty directory for the workers' reports.
        runner: runs the Beam pipeline that reads values.

    Raises:
        DataError: a file is broken.
    """
    found = inspect(tables, reports=reports, runner=runner)
    return {
        name: discovered(table, [report for report in found if report.table == name]) for name, table in tables.items()
    }


def inspect(tables: Mapping[str, UndiscoveredTable], *, reports: Path, runner: BeamRunner) -> list[Report]:
    """Reads values of the tables whose columns are not known without them; the reports say what was seen.

    Args:
        tables: the tables by name.
        reports: an empty directory for the workers' reports.
        runner: runs the Beam pipeline that reads values.

    Raises:
        DataError: a file is broken.
    """
    incomplete = {name: table for name, table in tables.items() if not table.is_complete()}
    if incomplete:
        with runner.pipeline() as pipeline:
            for name, table in incomplete.items():
                pieces = pipeline | name >> beam.Create(table.pieces) | f"Spread_{name}" >> beam.Reshuffle()
                _ = pieces | f"Inspect_{name}" >> beam.ParDo(_InspectValues(table, reports))
    found = read_reports(reports)
    errors = [report.error for report in found if report.error]
    if errors:
        raise DataError("\n".join(errors[:5]))
    return found


def discovered(table: UndiscoveredTable, reports: Sequence[Report]) -> Discovered:
    """What the types of a table's files and the reports on its values say.

    Raises:
        DataError: files disagree on a column, or there are no rows.
    """
    files = _seen(reports) if table.files is None else table.files
    check_agreement(table.source, files, table.pieces)
    types = types_by_column(files, table.pieces)
    if not any(files.values()):
        examples = [f"{reason}: {example}" for report in reports for reason, example in report.examples.items()]
        raise DataError("\n".join([f"{reports[0].table} has no readable rows", *examples[:3]]))
    if table.time_column is None:
        return Discovered(types, None)
    if table.vote_on is None:
        return Discovered(types, _time_of(table.source)[1])
    return Discovered(types, most_voted(report.seen["votes"] for report in reports))


@beam.typehints.with_output_types(str)  # emits nothing; without a declared type Beam spends a second inferring one
class _InspectValues(beam.DoFn):
    """Reports the column types of a piece where they are unknown, and votes on the unit of the first timestamps."""

    def __init__(self, table: UndiscoveredTable, reports: Path) -> None:
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
    """Source column of the timestamp, and its unit in the settings."""
    if isinstance(source, MappedInteractions):
        return source.columns.timestamp, source.time_unit
    return (None, "auto") if source.pivot is None else (source.pivot.timestamp, source.pivot.time_unit)


def _read_as_text(source: MappedInteractions | MappedEntities) -> set[str] | None:
    """Columns of delimited text whose type is not guessed; None for formats that store types."""
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
