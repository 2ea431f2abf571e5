"""Explains what in a table's files no row can use: columns without a name, broken rows, odd quotes."""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dataplane.sources.config import CsvEntities
from dataplane.sources.files import SourceFile
from dataplane.sources.formats.csv_header import csv_header
from dataplane.sources.formats.opening import open_bytes
from dataplane.sources.reading import REPEATED_HEADER, Reject
from pipeline.drafting.layouts import Settings, source_of
from pipeline.drafting.profile import short
from pipeline.drafting.tables import Table

_MOST_REASONS = 3
_LINES = 200_000
_MEND = {True: "If it is a mistake, correct that line", False: "If they are mistakes, correct those lines"}


def fault_remarks(table: Table) -> Iterator[str]:
    """Explains the faults of a table's files, for comments beside its settings."""
    source = source_of(table.settings, table.files[0].location)
    if isinstance(source, CsvEntities):
        header = csv_header(source, table.files[0].location)
        unnamed = header.names[: -1 if header.trailing else None].count("")
        if unnamed:
            yield f"{unnamed} column{'s' * (unnamed > 1)} without a name {'are' if unnamed > 1 else 'is'} not used"
    yield from _broken_rows(table.rejects, table.rows + len(table.rejects))
    if isinstance(source, CsvEntities) and source.quote is None:
        yield from _quotes(_quoted_fields(table.files, table.settings), many_files=len(table.files) > 1)


def _broken_rows(rejects: Sequence[Reject], rows: int) -> Iterator[str]:
    counts = Counter(reject.reason for reject in rejects if reject.reason != REPEATED_HEADER)
    for reason, count in counts.most_common(_MOST_REASONS):
        first = next(reject for reject in rejects if reject.reason == reason)
        verb = "has" if count == 1 else "have"
        fault = f"{verb} {reason}" if re.match(r"\d+ fields? instead of", reason) else f"cannot be used: {reason}"
        place = f"row {first.row + 1}" if count == 1 else f"the first is row {first.row + 1}"
        yield f"{count:,} of {rows:,} sampled rows {fault}; {place}: {short(first.record)}"


@dataclass(frozen=True)
class _QuotedFields:
    """Fields that begin with a quote, in files whose quotes are ordinary characters.

    Attributes:
        count: number of such fields.
        file: file of the first one.
        line: its line, from 1.
        text: the field.
    """

    count: int
    file: str
    line: int
    text: str


def _quotes(found: _QuotedFields | None, *, many_files: bool) -> Iterator[str]:
    if found is None:
        return
    which = (
        "1 field begins with one, in" if found.count == 1 else f"{found.count:,} fields begin with one, the first in"
    )
    place = f"line {found.line}" + (f" of {found.file}" if many_files else "")
    yield (
        f"check: quotes are ordinary characters here; {which} {place}: {short(found.text)}. {_MEND[found.count == 1]} "
        "and remove `quote: null`"
    )


def _quoted_fields(files: Sequence[SourceFile], settings: Settings) -> _QuotedFields | None:
    delimiter, encoding = settings.get("delimiter", ","), settings.get("encoding", "utf-8")
    first: tuple[str, int, str] | None = None
    count = lines = 0
    for file in files:
        with open_bytes(file.location) as stream:
            text = io.TextIOWrapper(stream, encoding, errors="replace")
            for number, line in enumerate(islice(text, _LINES - lines), start=1):
                lines += 1
                if '"' in line:
                    quoted = [field for field in line.rstrip("\r\n").split(delimiter) if field.startswith('"')]
                    count += len(quoted)
                    first = first or (file.name, number, quoted[0]) if quoted else first
        if lines >= _LINES:
            break
    return _QuotedFields(count, *first) if first else None
