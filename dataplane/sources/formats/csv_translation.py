r"""Translates dialects of delimited text for readers that know only one-byte delimiters and doubled quotes.

A long delimiter becomes one control character. An escaped character becomes another control character, the mark, and a
digit. After reading, values are translated back. The file's own occurrences of both control characters are marked too,
so every value survives. With `::` as delimiter and `\` as escape, and ␟ and ␞ for the control characters:

    a::"say \"so\""    is read as  a␟"say ␞3so␞3"
    a::"x::y"          is read as  a␟"x␟y"

Imports only the standard library.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_CONTROLS = "\x1f\x1e\x1d\x1c"


@dataclass(frozen=True)
class Translation:
    """Translates a dialect to the plain one, and back.

    Attributes:
        delimiter: separator of fields, of any length.
        quote: character around fields; None if quotes are ordinary characters.
        escape: character that makes a quote or itself ordinary inside quotes. Without quotes it does so for delimiters
            and line ends.
    """

    delimiter: str
    quote: str | None
    escape: str | None

    @property
    def needed(self) -> bool:
        """Whether the dialect differs from the plain one."""
        return self._is_long or self.escape is not None

    @property
    def plain_delimiter(self) -> str:
        """Separator of fields in translated text: one ASCII character."""
        return self._separator if self._is_long else self.delimiter

    @cached_property
    def mark(self) -> str:
        """Control character that precedes a digit in translated text."""
        return self._free[0]

    def forward(self, text: bytes) -> bytes:
        """Translates whole lines of UTF-8 text."""
        for first, written, read in self._forward:
            if first in text:  # searching for one byte is much faster than for two
                text = text.replace(written, read)
        return text

    def changes_values(self, translated: bytes) -> bool:
        """Whether translated text may have values that must be translated back."""
        quoted = self._is_long and self.quote is not None and self.quote.encode() in translated
        return quoted or self.mark.encode() in translated

    def back(self, value: str) -> str:
        """Translates a value back."""
        for read, meant in self.backward:
            value = value.replace(read, meant)
        return value

    @cached_property
    def backward(self) -> list[tuple[str, str]]:
        """Pairs (translated text, original text) to replace in values, in this order."""
        long = [(self._separator, self.delimiter)] if self._is_long else []
        escaped = [(f"{self.mark}{number}", meant) for number, meant in enumerate(self._escaped, start=2)]
        return [*long, *escaped, (f"{self.mark}1", self._separator), (f"{self.mark}0", self.mark)]

    @cached_property
    def _forward(self) -> list[tuple[bytes, bytes, bytes]]:
        own = [(self.mark, f"{self.mark}0"), (self._separator, f"{self.mark}1")]
        # Doubled escapes come first, so that the remaining escapes are single.
        escaped = [(f"{self.escape}{meant}", f"{self.mark}{n}") for n, meant in enumerate(self._escaped, start=2)]
        long = [(self.delimiter, self._separator)] if self._is_long else []
        return [(written.encode()[:1], written.encode(), read.encode()) for written, read in (*own, *escaped, *long)]

    @property
    def _escaped(self) -> list[str]:
        r"""Characters that an escape makes ordinary. Before others the escape is ordinary, as in Spark's `C:\data`."""
        if self.escape is None:
            return []
        # Programs do not escape delimiters inside quotes, and an unquoted field may end in a backslash.
        return [self.escape, *([self.quote] if self.quote else ['"', self.delimiter, "\r\n", "\n", "\r"])]

    @property
    def _is_long(self) -> bool:
        return len(self.delimiter.encode()) > 1

    @property
    def _separator(self) -> str:
        return self._free[1]

    @cached_property
    def _free(self) -> str:
        """Two control characters that the dialect does not use."""
        used = f"{self.delimiter}{self.quote}{self.escape}"
        return "".join(sign for sign in _CONTROLS if sign not in used)[:2]


def parsed(text: str, translation: Translation) -> Iterator[list[str]]:
    """Yields the rows of translated text, with fields translated back.

    Raises:
        csv.Error: a field exceeds the limit of the standard library's reader.
    """
    return read_rows(io.StringIO(text, newline=""), translation)


def read_rows(lines: Iterator[str], translation: Translation) -> Iterator[list[str]]:
    """Yields the rows of lines of translated text; see `parsed`."""
    style = {"quotechar": translation.quote} if translation.quote else {"quoting": csv.QUOTE_NONE}
    rows = csv.reader(lines, delimiter=translation.plain_delimiter, **style)  # type: ignore[arg-type]
    return ([translation.back(field) for field in row] if translation.needed else row for row in rows)
