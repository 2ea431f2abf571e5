r"""Detects quotes that the settings would misread, so that no row is read wrongly in silence.

Readers treat text after a closing quote as part of the field, and also all text after a quote that never closes. So
`"say \"so\""` would become `say \so\""`, and a lone quote at the start of a field would swallow rows. `QuoteSigns`
watches for cheap signs of both while a file is read. `QuoteGuard` then checks such a file quote by quote.
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dataplane.errors import DataError
from dataplane.sources.formats.csv_stream import CsvTextError, end_of_lines

_SHOWN_BYTES = 80
_BOM = "\ufeff".encode()
_LINE_END = np.frombuffer(b"\n", np.uint8)
_RETURN = ord("\r")


class QuoteSigns:
    """Watches the bytes of a file and the values read from them for signs of misread quotes.

    Attributes:
        doubtful: whether a backslash precedes a quote, a value spans lines, or the last line has a quote.
    """

    def __init__(self, quote: str, escape: str | None) -> None:
        """Starts at the first byte of a file with these settings."""
        self.doubtful = False
        self._quote = quote.encode()
        self._backslashed = None if escape else b"\\" + self._quote
        self._seen = False
        self._line = b""

    def __call__(self, data: bytes) -> None:
        """Checks the next bytes; `b""` means the end of the file."""
        if not data:
            self.doubtful |= self._quote in self._line
            return
        self._seen = self._seen or self._quote in data
        if self._seen and self._backslashed is not None and (b"\\" in data or self._line.endswith(b"\\")):
            self.doubtful |= self._backslashed in data or self._backslashed in self._line[-1:] + data[:1]
        end = data.rfind(b"\n") + 1
        self._line = data[end:] if end else self._line + data

    def look_at(self, batch: pa.RecordBatch) -> None:
        """Checks columns of text for values that span lines."""
        if self._seen and not self.doubtful:
            self.doubtful = any(map(_has_line_end, batch.columns))


def _has_line_end(values: pa.StringArray) -> bool:
    content = values.buffers()[2]
    signs = np.frombuffer(b"" if content is None else content, np.uint8)
    return bool((signs == _LINE_END[0]).any() or (signs == _RETURN).any())


@dataclass
class _Field:
    """A field that began with a quote.

    Attributes:
        offset: byte offset in the file.
        begins: first bytes of the field.
        over_lines: whether the field extends past the bytes of one call, and so over lines.
        has_backslash: whether a backslash precedes a quote in the field.
    """

    offset: int
    begins: bytes
    over_lines: bool = False
    has_backslash: bool = False


class QuoteError(DataError):
    """The settings would misread a quote of a file; the message names the line."""


class QuoteGuard:
    """Checks every quote of a file; call it with the bytes in order."""

    def __init__(self, delimiter: str, quote: str, escape: str | None) -> None:
        """Starts at the first byte.

        Args:
            delimiter: one ASCII character.
            quote: one ASCII character.
            escape: escape character in the settings; None for doubled quotes.
        """
        self._quote = quote.encode()
        self._doubled = self._quote * 2
        self._backslashed = None if escape else b"\\" + self._quote
        ends = delimiter.encode() + b"\r\n"
        self._ends = np.zeros(256, bool)
        self._ends[list(ends)] = True
        self._opening = re.compile(rb"(?:\A|[%s])%s" % (re.escape(ends), re.escape(self._quote)))
        self._closed = re.compile(rb"[ \t]*(?:[%s]|\Z)" % re.escape(ends))
        self._passed = 0
        self._rest = b""  # start of a line whose end is not yet known
        self._field: _Field | None = None  # a field whose quote is still open

    def __call__(self, data: bytes) -> None:
        """Checks the next bytes; `b""` means the end of the file.

        Raises:
            CsvTextError: a quoted field never closes, or text follows the closing quote of a field that spans lines or
                has a backslash before a quote.
        """
        text = self._rest + data if self._rest else data
        if self._passed == 0 and text.startswith(_BOM):
            text = text.replace(_BOM, b"\n" * len(_BOM), 1)
        end = end_of_lines(text) if data else len(text)
        lines, self._rest = text[:end], text[end:]
        if self._field is not None:
            self._field.over_lines = True
        if self._quote in lines:
            self._check(lines)
        if self._field is not None and self._backslashed is not None:
            start = max(0, self._field.offset - self._passed)
            self._field.has_backslash |= lines.find(self._backslashed, start) >= 0
        self._passed += end
        if not data and self._field is not None:
            raise self._error(self._field, "never closes")

    def _check(self, lines: bytes) -> None:
        """Checks whole lines: all quotes at once, then one by one if a quote is not at the edge of its field.

        Example: in `"a","b""c"` all quotes except doubled ones touch a delimiter or line end; in `"a"x` one does not.
        """
        bare = np.frombuffer(lines.replace(self._doubled, b""), np.uint8)
        quotes = np.flatnonzero(bare == self._quote[0])
        padded = np.concatenate([_LINE_END, bare, _LINE_END])
        inside = self._field is not None
        opening, closing = quotes[int(inside) :: 2], quotes[1 - int(inside) :: 2]
        if not (self._ends[padded[opening]].all() and self._ends[padded[closing + 2]].all()):
            self._walk(lines)
        elif inside == bool(len(quotes) % 2):
            self._field = None
        elif len(quotes):
            self._open(lines, self._last_opening(lines))

    def _walk(self, lines: bytes) -> None:
        position = 0
        while True:
            if self._field is None:
                opening = self._opening.search(lines, position)
                if opening is None:
                    return
                position = opening.end()
                self._open(lines, position - 1)
            closing = lines.find(self._quote, position)
            if closing < 0:
                return
            position = closing + 1
            if lines.startswith(self._quote, position):
                position += 1
            else:
                self._close(lines, position)

    def _open(self, lines: bytes, start: int) -> None:
        self._field = _Field(self._passed + start, lines[start : start + _SHOWN_BYTES])

    def _close(self, lines: bytes, end: int) -> None:
        field, self._field = self._field, None
        assert field is not None
        if self._closed.match(lines, end):
            return
        text = lines[max(0, field.offset - self._passed) : end]
        field.has_backslash |= self._backslashed is not None and self._backslashed in text
        if field.has_backslash or field.over_lines or b"\n" in text or b"\r" in text:
            raise self._error(field, "closes before the end of the field")

    def _last_opening(self, lines: bytes) -> int:
        """Offset of the last quote that is not doubled."""
        end = len(lines)
        while True:
            last = lines.rindex(self._quote, 0, end)
            end = len(lines[: last + 1].rstrip(self._quote))
            if (last + 1 - end) % 2:
                return end

    def _error(self, field: _Field, what: str) -> CsvTextError:
        begins = field.begins.decode(errors="replace").splitlines()[0]
        if field.has_backslash:
            return CsvTextError(f"{begins} looks escaped by backslashes: set escape: '\\'", field.offset)
        quote = self._quote.decode()
        return CsvTextError(
            f"a field begins with a quote that {what}: {begins}; set 'quote: null' if {quote} is an ordinary "
            "character in this file, else correct that line",
            field.offset,
        )
