"""A first look at all values, for what only they can tell: types of text columns, units of timestamps."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import pyarrow as pa

from components.beam_runner import BeamConfig
from components.errors import DataError
from components.sources.column_types import name_of, type_of_text
from components.sources.config import CsvEntities, CsvInteractions, MappedEntities, MappedInteractions, TimeUnit
from components.sources.moments import most_voted, unit_votes
from components.sources.reading import Piece, Reader
from components.sources.reports import Report, read_reports


@dataclass(frozen=True)
class Discovered:
    """What is known about the columns of a table before its rows are cleaned.

    Attributes:
        types: types seen in each source column.
        time_unit: what timestamps count; None without timestamps or where they are typed.
    """

    types: Mapping[str, set[str]]
    time_unit: TimeUnit | None


def discover(
    reader: Reader, source: MappedInteractions | MappedEntities, pieces: Sequence[Piece], *, reports: Path,
    runner: BeamConfig,
) -> Discovered:  # fmt: skip
    """Finds out the types of columns and the unit of timestamps, reading values only where needed.

    Args:
        reader: reads the table.
        source: its settings.
        pieces: its pieces.
        reports: an empty directory for what the workers find.
        runner: executes the look.

    Raises:
        DataError: a file is broken.
    """
    types = reader.types(pieces)
    columns = source.columns if isinstance(source, MappedInteractions) else None
    time_column = columns.timestamp if columns else None
    typed = types is not None and time_column is not None and types.get(time_column) == {"timestamp"}
    asked = source.time_unit if isinstance(source, MappedInteractions) else "s"
    vote_on = time_column if asked == "auto" and not typed else None
    seen: list[Report] = []
    if types is None or (vote_on and vote_on in types):
        look = _Look(reader, source, None if types is None else vote_on, vote_on, reports)
        with runner.pipeline() as pipeline:
            pipeline | beam.Create(pieces) | beam.Reshuffle() | beam.ParDo(look)
        seen = read_reports(reports)
    errors = [report.error for report in seen if report.error]
    if errors:
        raise DataError("\n".join(errors[:5]))
    unit = None if time_column is None or typed else asked
    if unit == "auto":
        unit = most_voted(report.seen["votes"] for report in seen)
    return Discovered(_joined(seen) if types is None else types, unit)


class _Look(beam.DoFn):
    """Types of all columns of a piece, or (`only`) just the votes on the unit of its timestamps."""

    def __init__(
        self, reader: Reader, source: MappedInteractions | MappedEntities, only: str | None, vote_on: str | None,
        reports: Path,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._only = only
        self._vote_on = vote_on
        self._reports = reports
        self._as_text = _read_as_text(source)

    def process(self, piece: Piece) -> None:
        report = Report(piece.table)
        types: dict[str, set[str]] = {}
        votes: Counter[str] = Counter()
        try:
            for batch in self._batches(piece):
                if self._vote_on in batch.schema.names and not votes:
                    votes.update(unit_votes(batch.column(self._vote_on)))
                if self._only is not None:
                    break
                for name, kind in self._types(batch):
                    types.setdefault(name, set()).add(kind)
        except DataError as error:
            report.error = str(error)
        report.seen = {"types": {name: sorted(kinds) for name, kinds in types.items()}, "votes": votes}
        report.write(self._reports / f"{piece.table}-{piece.index:05d}.json")

    def _batches(self, piece: Piece) -> Iterator[pa.RecordBatch]:
        columns = None if self._only is None else [self._only]
        return (rows.batch for rows in self._reader.read(piece, None, columns))

    def _types(self, batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
        for name in batch.schema.names:
            if self._as_text is None:
                yield name, name_of(batch.column(name).type)
            else:
                yield name, "string" if name in self._as_text else type_of_text(batch.column(name))


def _read_as_text(source: MappedInteractions | MappedEntities) -> set[str] | None:
    """Columns of delimited text that stay text at first; None for formats that have types of their own."""
    if not isinstance(source, CsvInteractions | CsvEntities):
        return None
    if isinstance(source, CsvEntities):
        return {source.id, *source.list_columns}
    mapped = source.columns.mapped()
    mapped.pop("order", None)
    return {*mapped.values(), *source.list_columns}


def _joined(reports: Iterable[Report]) -> dict[str, set[str]]:
    types: dict[str, set[str]] = {}
    for report in reports:
        for name, kinds in report.seen["types"].items():
            types.setdefault(name, set()).update(kinds)
    return types
