"""Guesses the encoding and the dialect of a delimited file, and whether it has a header.

Compression needs no guess: `open_bytes` recognises it by content.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from dataplane.errors import DataError
from dataplane.sources.formats.csv_translation import Translation, parsed
from dataplane.sources.formats.csv_values import is_value
from dataplane.sources.formats.opening import UNREADABLE, open_bytes, unreadable

_SAMPLE = 1 << 18
_LARGEST_SAMPLE = 1 << 25
_FEW_LINES = 5
_ROWS = 100
_DELIMITERS = (",", "\t", ";", "|", " ", "\x01", "\x1f", "~", "^", "¦", "§", "::")
_LONGER = (
    *("{0}{0}", "{0}{0}{0}", "\t{0}\t", " {0} ", "{0} "),
    *(form.format("{0}", sign) for sign in "|~^#+" for form in ("{0}{1}{0}", "{1}{0}{1}")),
)
"""Forms of longer delimiters; `{0}` is the character that was found."""
_STYLES = (('"', None), (None, None), (None, "\\"))
_MOSTLY = 0.9
_CLEARLY = 10
_ONLY_IN_WINDOWS = re.compile(rb"[\x80-\x9f]")
_OF_EXCEL = re.compile(r"\"?sep=.\"?", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Dialect:
    """Encoding and dialect of a delimited file.

    Attributes:
        encoding: `utf-8`, `utf-16`, `cp1252` or `latin-1`.
        delimiter: separator of fields, one or more characters.
        header: whether the first row names the columns.
        columns: number of fields in the first row, without the empty one after a trailing delimiter.
        quote: character around fields; None if quotes are ordinary characters.
        escape: character that escapes quotes; None if quotes are doubled.
    """

    encoding: str
    delimiter: str
    header: bool
    columns: int
    quote: str | None = '"'
    escape: str | None = None

    def settings(self) -> dict[str, str | None]:
        """Settings of `data` for this dialect, without those that equal the default."""
        default = Dialect("utf-8", ",", True, 0)
        keys = ("delimiter", "encoding", "quote", "escape")
        return {key: getattr(self, key) for key in keys if getattr(self, key) != getattr(default, key)}


def sniff(path: str) -> Dialect:
    """Guesses the dialect from the beginning of a delimited file, compressed or not.

    Raises:
        DataError: the file is unreadable, empty or not text, or has fewer than two columns.
    """
    try:
        with open_bytes(path) as stream:
            sample, whole = _beginning(stream)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    encoding = _encoding(sample, whole)
    lines = _LINE_END.split(sample.decode(encoding, errors="ignore").lstrip("\ufeff"))
    lines = [line for line in (lines if whole else lines[:-1]) if line.strip()][:_ROWS]
    if not lines:
        raise DataError(f"{path} is empty")
    if _OF_EXCEL.fullmatch(lines[0].strip()):
        raise DataError(f"{path} begins with {lines[0].strip()!r}, which only Excel understands: remove that line")
    delimiter = _delimiter(lines)
    translation = _quoting(lines, delimiter)
    rows = _rows(lines, translation)
    if len(rows[0]) < 2:
        raise DataError(f"{path}: no delimiter, such as comma, tab, semicolon, bar or space, separates two columns")
    trailing = all(len(row) == len(rows[0]) and not row[-1] for row in rows)
    columns = len(rows[0]) - int(trailing)
    return Dialect(encoding, delimiter, _has_header(rows), columns, translation.quote, translation.escape)


def _beginning(stream: IO[bytes]) -> tuple[bytes, bool]:
    """First bytes with at least a few lines, however wide, and whether they are the whole file."""
    sample, wanted = b"", _SAMPLE
    while True:
        sample += stream.read(wanted - len(sample))
        if len(sample) < wanted:
            return sample, True
        if max(sample.count(b"\n"), sample.count(b"\r")) >= _FEW_LINES or wanted >= _LARGEST_SAMPLE:
            return sample, False
        wanted *= 2


def _encoding(sample: bytes, whole: bool) -> str:
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        sample[: None if whole else len(sample) - 4].decode("utf-8")
    except UnicodeDecodeError as error:
        # The sample may end in the middle of a character.
        return "utf-8" if len(sample) == _SAMPLE and error.start >= len(sample) - 8 else _one_byte_encoding(sample)
    return "utf-8"


def _one_byte_encoding(sample: bytes) -> str:
    """`cp1252` if a byte is a character only there, such as the euro sign, else `latin-1`."""
    if _ONLY_IN_WINDOWS.search(sample) is None:
        return "latin-1"
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _rows(lines: Sequence[str], translation: Translation) -> list[list[str]]:
    rows: list[list[str]] = []
    with suppress(csv.Error):  # a quote that does not close
        rows.extend(parsed(_text(lines, translation), translation))
    return rows or [[]]


def _text(lines: Sequence[str], translation: Translation) -> str:
    return translation.forward("".join(f"{line}\n" for line in lines).encode()).decode()


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits most lines into the same number of fields, over all styles of quotes and escapes."""
    found = max(_DELIMITERS, key=lambda mark: max(_fit(lines, Translation(mark, *style)) for style in _STYLES))
    longer = [form.format(found) for form in _LONGER if found != " " or form != "{0} "]
    return max((mark for mark in longer if _is_whole(mark, found, lines)), key=len, default=found)


def _is_whole(mark: str, part: str, lines: Sequence[str]) -> bool:
    """Whether nearly all lines have the long delimiter equally often, and its character only inside it."""
    times = lines[0].count(mark)
    alike = sum(line.count(mark) == times and line.count(part) == times * mark.count(part) for line in lines)
    return times > 0 and alike >= _MOSTLY * len(lines)


def _fit(lines: Sequence[str], translation: Translation) -> tuple[float, bool, int]:
    """Fit of a dialect: share of rows with the most common number of fields, and that number."""
    counts = Counter(map(len, _rows(lines, translation)))
    fields, rows = max(counts.items(), key=lambda item: (item[1], item[0]))
    share = rows / sum(counts.values()) if fields > 1 else 0.0
    return round(share, 1), translation.delimiter != " ", fields


def _quoting(lines: Sequence[str], delimiter: str) -> Translation:
    """Chooses quotes and escape so that fields end at closing quotes, and rows have equally many fields."""
    usual = Translation(delimiter, '"', None)
    escaped, bare = Translation(delimiter, '"', "\\"), Translation(delimiter, None, None)
    seen, seen_escaped = _quoted_fields(lines, usual), _quoted_fields(lines, escaped)
    if seen.clean + seen.odd == 0:
        single = [Translation(delimiter, "'", escape) for escape in (None, "\\")]
        hive = Translation(delimiter, None, "\\")
        fitting = [choice for choice in single if _is_quoting(lines, choice)]
        fitting += [hive] if _agreeing(lines, hive) > _agreeing(lines, bare) else []
        return fitting[0] if fitting else usual
    stray = seen.stray > seen_escaped.stray == 0
    if seen_escaped.odd < seen.odd or stray or _agreeing(lines, escaped) > _agreeing(lines, usual):
        return escaped
    if 0 < seen.odd * _CLEARLY <= seen.clean:  # a mistake in one line, which reading reports
        return usual
    return bare if seen.odd > seen.clean or _agreeing(lines, bare) > _agreeing(lines, usual) else usual


def _is_quoting(lines: Sequence[str], translation: Translation) -> bool:
    """Whether a rare quote surrounds a field in half of the rows, and is never misplaced."""
    seen = _quoted_fields(lines, translation)
    return seen.clean >= len(lines) // 2 and seen.odd == 0


def _agreeing(lines: Sequence[str], translation: Translation) -> float:
    """Share of rows with as many fields as the first row."""
    rows = _rows(lines, translation)
    return sum(len(row) == len(rows[0]) for row in rows) / max(len(rows), len(lines) // 2)


@dataclass(frozen=True)
class _Quoted:
    """Counts of fields with quotes.

    Attributes:
        clean: fields that begin and end with a quote.
        odd: fields that begin with a quote and continue after the closing one, or never close.
        stray: gaps between quoted fields that contain a quote.
    """

    clean: int
    odd: int
    stray: int


def _quoted_fields(lines: Sequence[str], translation: Translation) -> _Quoted:
    text = _text(lines, translation)
    ends, quote = f"{translation.plain_delimiter}\n", translation.quote or ""
    opening = re.compile(f"(?:^|[{re.escape(ends)}]){quote}")
    closing = re.compile(f"(?:[^{quote}]|{quote}{quote})*+{quote}")
    clean = odd = position = stray = 0
    while found := opening.search(text, position):
        stray += text.count(quote, position, found.start()) > 0
        end = closing.match(text, found.end())
        whole = end is not None and text[end.end()] in ends
        clean, odd = clean + whole, odd + (not whole)
        position = end.end() if end is not None else found.end()
    return _Quoted(clean, odd, stray)


def _has_header(rows: list[list[str]]) -> bool:
    first = [field.strip() for field in rows[0] if field.strip()]
    if not first or any(map(is_value, first)):
        return False
    others = [row for row in rows[1:] if row != rows[0]]
    # Duplicate names above numbers or dates are still a header, which reading refuses.
    if any(all(map(is_value, filter(None, column))) and any(column) for column in zip(*others, strict=False)):
        return True
    # A word that occurs again further down is a value, because a name occurs once.
    again = any(name in column for name, column in zip(rows[0], zip(*others, strict=False), strict=False) if name)
    return len(set(first)) == len(first) and not again
