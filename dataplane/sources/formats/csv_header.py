"""Reads the header of a delimited file: the column names, and the line where rows begin.

Imports only the standard library, so that checking a configuration and reading data use the same code.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dataplane.errors import DataError
from dataplane.errors.messages import listed
from dataplane.sources.config import CsvEntities, CsvInteractions, needed_columns
from dataplane.sources.formats.csv_stream import CsvStream, CsvTextError
from dataplane.sources.formats.csv_translation import Translation, read_rows
from dataplane.sources.formats.csv_values import is_value
from dataplane.sources.formats.file_kinds import HEAD, is_binary
from dataplane.sources.formats.opening import UNREADABLE, open_bytes, unreadable

_ROWS = 20
_ENOUGH = 3
_NAME = re.compile(r"\s*(?!(null|none|nan|na|nil|nat)\s*$)[^\W\d][\w .:-]*", re.IGNORECASE)
_JSON = re.compile(r'\s*(\[\s*)?\{\s*"[^"]*"\s*:')
_UNKNOWN_PACKINGS = {".snappy": "Snappy", ".lzo": "LZO", ".lz4": "LZ4", ".br": "Brotli", ".deflate": "Deflate"}


@dataclass(frozen=True)
class CsvHeader:
    """The lines before the rows of a delimited file.

    Attributes:
        names: name of each field of a row, in order; `""` for a field without a name.
        written: names as written in the file, including blanks.
        lines: number of lines before the first row.
        trailing: whether each row ends with a delimiter that the header lacks; the last field must then be empty.
    """

    names: list[str]
    written: list[str]
    lines: int
    trailing: bool = False


def csv_header(source: CsvInteractions | CsvEntities, location: str, name: str = "") -> CsvHeader:
    """Reads the header of a file, or takes it from the settings.

    Args:
        source: settings of the table.
        location: path or URI of the file.
        name: name of the file in messages; the location by default.

    Raises:
        DataError: the file is missing, empty or not text in the encoding, or its header has a name twice.
    """
    called = name or location
    lines, records = _first_records(source, location, called)
    if source.names is not None:
        names, rows, lines = source.names, records, 0
        _check_no_header(source, records, called)
    else:
        names, rows = [field.strip() for field in records[0]], records[1:]
        _check_distinct(names, called)
    written = records[0] if source.names is None else names
    fields = {len(row) for row in rows}
    if len(names) not in fields and fields == {len(names) + 1} and not any(row[-1] for row in rows):
        return CsvHeader([*names, ""], [*written, ""], lines, trailing=True)
    if names[-1:] == [""] and fields == {len(names) - 1}:
        return CsvHeader(names[:-1], written[:-1], lines)
    if source.names is not None and len(records[0]) != len(names):
        raise DataError(f"{called} has {len(records[0])} fields in its first row, 'names' has {len(names)} names")
    return CsvHeader(names, written, lines)


def translation_of(source: CsvInteractions | CsvEntities) -> Translation:
    """Translation from the dialect of a table's files."""
    return Translation(source.delimiter, source.quote, source.escape)


def _check_distinct(names: Sequence[str], called: str) -> None:
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise DataError(f"the header of {called} has {listed(twice)} twice")


def _check_no_header(source: CsvInteractions | CsvEntities, records: Sequence[list[str]], called: str) -> None:
    """Refuses a first row of names above numbers or dates, if the settings say that the file has no header."""
    first, *others = records
    named = [field for field, name in zip(first, source.names or [], strict=False) if name]
    if len(others) < _ENOUGH or not all(map(_NAME.fullmatch, named)):
        return
    columns = dict(zip(source.names or [], zip(*others, strict=False), strict=False))
    for column in needed_columns(source) & columns.keys():
        values = [field for field in columns[column] if field]
        if values and all(map(is_value, values)):
            raise DataError(
                f"the first row of {called} looks like a header ({listed(first)}), but 'names' is for files without "
                "one: remove 'names' or that line"
            )


def _first_records(source: CsvInteractions | CsvEntities, location: str, name: str) -> tuple[int, list[list[str]]]:
    """Number of lines up to the end of the first record, and the first records."""
    head = b""
    try:
        with open_bytes(location) as stream:
            head = stream.peek(HEAD)[:HEAD]  # type: ignore[attr-defined]
            _refuse_others(source, head, location, name)
            translation = translation_of(source)
            lines = _Lines(CsvStream(stream, translation, source.encoding))
            first, count, others = _parsed(lines, translation)
            if source.names is None and source.is_utf8:
                "".join(first).encode()
    except UnicodeError as error:
        raise DataError(f"{name} is not {source.encoding} text: {error}; set 'encoding' to that of the file") from error
    except csv.Error as error:
        raise DataError(f"{name} cannot be read as delimited text: {error}") from error
    except CsvTextError as error:
        raise DataError(f"{name}: {error}") from error
    except UNREADABLE as error:
        raise unreadable(name, error) from error
    if not first:
        raise DataError(f"{name} is empty")
    return count, [first, *others]


def _parsed(lines: "_Lines", translation: Translation) -> tuple[list[str], int, list[list[str]]]:
    """The first record, the number of lines up to its end, and some records after it."""
    reader = read_rows(lines, translation)
    first, count = next(reader, []), lines.count
    others: list[list[str]] = []
    with suppress(csv.Error):  # only the first record must be valid; a later one may exceed this reader's limits
        others.extend(islice(reader, _ROWS))
    return first, count, others


class _Lines:
    """Iterates over non-empty lines, and counts all lines read so far."""

    def __init__(self, stream: CsvStream) -> None:
        # Bytes of later rows are not checked here; each row is checked when it is read.
        text = io.TextIOWrapper(io.BufferedReader(stream), "utf-8-sig", errors="surrogateescape", newline="")
        self._text: Iterator[str] = text
        self.count = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        for line in self._text:
            self.count += 1
            if line.strip("\r\n"):
                return line
        raise StopIteration


def _refuse_others(source: CsvInteractions | CsvEntities, head: bytes, location: str, name: str) -> None:
    """Refuses files whose first bytes show that they are not delimited text."""
    if "a".encode(source.encoding) != b"a":
        return
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{name} is not {source.encoding} text, but begins like UTF-16: set 'encoding: utf-16'")
    if is_binary(head):
        packing = _UNKNOWN_PACKINGS.get(Path(location).suffix.lower())
        guess = f"compressed with {packing} by its name: unpack it" if packing else "binary, or UTF-16"
        raise DataError(f"{name} is not {source.encoding} text, as it has zero bytes; it may be {guess}")
    if _JSON.match(head.decode("latin-1")):
        raise DataError(f"{name} is JSON, not delimited text: set 'format: jsonl'")
