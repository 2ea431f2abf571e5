"""What a delimited file looks like: its encoding, delimiter, and whether it has a header."""

import csv
import re
from collections import Counter
from dataclasses import dataclass

from components.errors import DataError
from components.sources.files import UNREADABLE, open_bytes, unreadable

_SAMPLE = 1 << 18
_ROWS = 100
_DELIMITERS = (",", "\t", ";", "|", " ")
_NUMBER = re.compile(r"^[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?$")
_DATE = re.compile(r"^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([T ,]|$)")


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Attributes:
        encoding: `utf-8`, `utf-16` or `latin-1`.
        delimiter: what separates fields.
        header: whether the first row names the columns.
        columns: number of fields of the first row.
    """

    encoding: str
    delimiter: str
    header: bool
    columns: int


def sniff(path: str) -> Dialect:
    """Looks at the beginning of a delimited file.

    Raises:
        DataError: it cannot be read, is empty, or has no two columns.
    """
    try:
        with open_bytes(path) as stream:
            sample = stream.read(_SAMPLE)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    encoding = _encoding(sample)
    lines = sample.decode(encoding, errors="ignore").lstrip("\ufeff").splitlines()
    lines = [line for line in (lines if len(sample) < _SAMPLE else lines[:-1]) if line.strip()][:_ROWS]
    if not lines:
        raise DataError(f"{path} is empty")
    delimiter = max(_DELIMITERS, key=lambda mark: _fit(lines, mark))
    rows = list(csv.reader(lines, delimiter=delimiter))
    if len(rows[0]) < 2:
        raise DataError(f"{path}: none of comma, tab, semicolon, bar or space separates two columns")
    return Dialect(encoding, delimiter, _has_header(rows), len(rows[0]))


def _encoding(sample: bytes) -> str:
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        sample[: len(sample) - 4 if len(sample) == _SAMPLE else None].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.start >= len(sample) - 8 else "latin-1"
    return "utf-8"


def _fit(lines: list[str], delimiter: str) -> tuple[float, bool, int]:
    """How well a delimiter explains the lines: share of rows with the usual number of fields, and that number."""
    counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
    fields, rows = max(counts.items(), key=lambda item: (item[1], item[0]))
    share = rows / sum(counts.values()) if fields > 1 else 0.0
    return round(share, 1), delimiter != " ", fields


def _has_header(rows: list[list[str]]) -> bool:
    first = [field.strip() for field in rows[0] if field.strip()]
    if not first or any(map(_is_value, first)):
        return False
    others = [row for row in rows[1:] if row != rows[0]]
    # Names given twice are still names, and refused as such, above columns of numbers or moments.
    if any(all(map(_is_value, filter(None, column))) and any(column) for column in zip(*others, strict=False)):
        return True
    # Of words, what is said again further down is a value: names stand once.
    again = any(name in column for name, column in zip(rows[0], zip(*others, strict=False), strict=False) if name)
    return len(set(first)) == len(first) and not again


def _is_value(field: str) -> bool:
    """Whether a field is a number or begins like a date, as no name does."""
    return _NUMBER.match(field.strip()) is not None or _DATE.match(field.strip()) is not None
