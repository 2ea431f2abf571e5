r"""Dialects of delimited text, rewritten for readers that know only one-byte delimiters and doubled quotes.

Long delimiters become one control character, what is escaped becomes that of a mark and a digit, and afterwards the
values get back what was meant. Both control characters are marked themselves where a file has them, so whatever a file
holds comes out again. With `::` as delimiter and `\` as escape, and ␟ and ␞ for the control characters:

    a::"say \"so\""    is read as  a␟"say ␞3so␞3"
    a::"x::y"          is read as  a␟"x␟y"

Light: standard library only.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_CONTROLS = "\x1f\x1e\x1d\x1c"


@dataclass(frozen=True)
class Translation:
    """From a dialect to the plain one, and back.

    Attributes:
        delimiter: what separates fields, of any length.
        quote: what surrounds fields; None where quotes are ordinary characters.
        escape: what makes quotes and itself ordinary inside of quotes; without quotes, delimiters and ends of lines.
    """

    delimiter: str
    quote: str | None
    escape: str | None

    @property
    def needed(self) -> bool:
        """Whether the dialect is not plain anyway."""
        return self._is_long or self.escape is not None

    @property
    def plain_delimiter(self) -> str:
        """What separates fields in translated text: one ASCII character."""
        return self._separator if self._is_long else self.delimiter

    @cached_property
    def mark(self) -> str:
        """What precedes a digit in translated text."""
        return self._free[0]

    def forward(self, text: bytes) -> bytes:
        """Translates whole lines of UTF-8 text."""
        for first, written, read in self._forward:
            if first in text:  # one byte is found much faster than two
                text = text.replace(written, read)
        return text

    def changes_values(self, translated: bytes) -> bool:
        """Whether translated text can have values that have to be translated back."""
        quoted = self._is_long and self.quote is not None and self.quote.encode() in translated
        return quoted or self.mark.encode() in translated

    def back(self, value: str) -> str:
        """A value of translated text as it was meant."""
        for read, meant in self.backward:
            value = value.replace(read, meant)
        return value

    @cached_property
    def backward(self) -> list[tuple[str, str]]:
        """What to replace in values, in this order."""
        long = [(self._separator, self.delimiter)] if self._is_long else []
        escaped = [(f"{self.mark}{number}", meant) for number, meant in enumerate(self._escaped, start=2)]
        return [*long, *escaped, (f"{self.mark}1", self._separator), (f"{self.mark}0", self.mark)]

    @cached_property
    def _forward(self) -> list[tuple[bytes, bytes, bytes]]:
        own = [(self.mark, f"{self.mark}0"), (self._separator, f"{self.mark}1")]
        # Pairs of escapes first: what is left of them stands alone.
        escaped = [(f"{self.escape}{meant}", f"{self.mark}{n}") for n, meant in enumerate(self._escaped, start=2)]
        long = [(self.delimiter, self._separator)] if self._is_long else []
        return [(written.encode()[:1], written.encode(), read.encode()) for written, read in (*own, *escaped, *long)]

    @property
    def _escaped(self) -> list[str]:
        r"""What an escape makes ordinary; before anything else it is ordinary itself, as in Spark's `C:\data`."""
        if self.escape is None:
            return []
        # Inside of quotes nobody escapes delimiters, and a field without quotes may end in a backslash.
        return [self.escape, *([self.quote] if self.quote else ['"', self.delimiter, "\r\n", "\n", "\r"])]

    @property
    def _is_long(self) -> bool:
        return len(self.delimiter.encode()) > 1

    @property
    def _separator(self) -> str:
        return self._free[1]

    @cached_property
    def _free(self) -> str:
        """Two control characters that mean nothing in the dialect."""
        used = f"{self.delimiter}{self.quote}{self.escape}"
        return "".join(sign for sign in _CONTROLS if sign not in used)[:2]


def parsed(text: str, translation: Translation) -> Iterator[list[str]]:
    """Rows of translated text, with their fields as they were meant.

    Raises:
        csv.Error: a field is longer than the standard library's reader takes.
    """
    return read_rows(io.StringIO(text, newline=""), translation)


def read_rows(lines: Iterator[str], translation: Translation) -> Iterator[list[str]]:
    """Rows of lines of translated text, as `parsed`."""
    style = {"quotechar": translation.quote} if translation.quote else {"quoting": csv.QUOTE_NONE}
    rows = csv.reader(lines, delimiter=translation.plain_delimiter, **style)  # type: ignore[arg-type]
    return ([translation.back(field) for field in row] if translation.needed else row for row in rows)
