"""Reads delimited text. Fields are read as text, so that ids keep their leading zeros, and cast later."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from dataplane.errors import DataError
from dataplane.sources.config import CsvEntities, CsvInteractions, id_columns
from dataplane.sources.files import SourceFile
from dataplane.sources.formats.csv_header import CsvHeader, csv_header, translation_of
from dataplane.sources.formats.csv_rows import as_meant, labels_of, without_further_fields, without_headers
from dataplane.sources.formats.csv_stream import CsvStream, CsvTextError
from dataplane.sources.formats.csv_translation import Translation, parsed
from dataplane.sources.formats.opening import UNREADABLE, open_bytes, unreadable
from dataplane.sources.formats.quote_guard import QuoteError, QuoteGuard, QuoteSigns
from dataplane.sources.formats.text_files import file_pieces
from dataplane.sources.reading import Piece, Reject, Rows

_BLOCK = 8 << 20
_MEND_ENCODING = "set 'encoding' to that of the file, such as latin-1 or cp1252"
_LINES_OF_A_RUNAWAY_QUOTE = 20


@dataclass(frozen=True)
class CsvReader:
    """Reads a table from delimited text files."""

    table: str
    source: CsvInteractions | CsvEntities
    files: Sequence[SourceFile]

    def pieces(self) -> list[Piece]:
        """One piece per file."""
        return file_pieces(self.table, self.files)

    def types(self, pieces: Sequence[Piece]) -> None:
        """None: the types of text are unknown until all values are read, as the last zip code may have a letter."""

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Yields batches of text columns. Repeated headers and rows with a wrong number of fields are rejects."""
        header = csv_header(self.source, piece.file, piece.name)
        wanted = {name for name in header.names if name} if columns is None else set(columns)
        rejects = _Rejects(translation_of(self.source), header_lines=header.lines)
        first = types is None  # the first pass over a file has no types, and checks it more closely
        signs = QuoteSigns(self.source.quote, self.source.escape) if first and self.source.quote else None
        try:
            for rows in self._rows(piece.file, header, wanted, rejects, signs):
                rows = without_further_fields(rows, header)
                yield without_headers(rows, header, id_columns(self.source), piece.name, others=first)
            if signs is not None and (signs.doubtful or rejects.over_lines):
                self._check_quotes(piece)
        except CsvTextError as error:
            raise DataError(f"{piece.name}: {error}") from error
        except pa.ArrowInvalid as error:
            self._check_quotes(piece)
            raise DataError(f"{piece.name} {rejects.runaway_quote or self._explanation(str(error))}") from error
        except UnicodeError as error:
            raise DataError(f"{piece.name} is not {self.source.encoding} text: {error}; {_MEND_ENCODING}") from error
        except UNREADABLE as error:
            raise unreadable(piece.name, error) from error

    def _rows(
        self, location: str, header: CsvHeader, wanted: set[str], rejects: "_Rejects", signs: QuoteSigns | None
    ) -> Iterator[Rows]:
        good = taken = 0
        translation = translation_of(self.source)
        with open_bytes(location) as stream:
            text = CsvStream(stream, translation, self.source.encoding, look=signs)
            for batch in _quietly(lambda: self._open(text, header, wanted, rejects), rejects):
                position = rejects.positions(good, batch.num_rows)
                good += batch.num_rows
                if signs is not None:
                    signs.look_at(batch)
                meant = as_meant(batch, translation) if text.marked else batch
                yield Rows(meant, position, rejects.found[taken:])
                taken = len(rejects.found)
            if taken < len(rejects.found):
                yield Rows(pa.RecordBatch.from_pylist([]), np.empty(0, np.int64), rejects.found[taken:])

    def _open(
        self, text: CsvStream, header: CsvHeader, wanted: set[str], rejects: "_Rejects"
    ) -> Iterable[pa.RecordBatch]:
        labels = labels_of(header)
        quote = self.source.quote
        translation = translation_of(self.source)
        return arrow_csv.open_csv(  # type: ignore[no-any-return]
            text,
            read_options=arrow_csv.ReadOptions(
                column_names=labels,
                skip_rows=header.lines,
                block_size=_BLOCK,
                use_threads=False,  # with threads, rejected rows have no number
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=translation.plain_delimiter,
                quote_char=quote or False,
                newlines_in_values=quote is not None,
                invalid_row_handler=rejects,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(labels, pa.string()),
                check_utf8=False,  # a bad row would refuse the whole file; rows are checked later
                include_columns=[
                    label
                    for number, label in enumerate(labels, start=1)
                    if label in wanted or (header.trailing and number == len(labels))
                ],
                strings_can_be_null=True,
                null_values=self.source.null_values,
            ),
        )

    def _explanation(self, message: str) -> str:
        if "\ufffd" in message:  # Arrow does not pass rows that are not UTF-8 to its handler
            return f"is not {self.source.encoding} text: {message}; {_MEND_ENCODING}"
        if "Empty CSV" in message:
            return "has no rows"
        return f"cannot be read as delimited text: {message}"

    def _check_quotes(self, piece: Piece) -> None:
        """Checks all quotes of a file.

        Raises:
            QuoteError: the settings would misread a quote.
        """
        translation = translation_of(self.source)
        if translation.quote is None:
            return
        guard = QuoteGuard(translation.plain_delimiter, translation.quote, translation.escape)
        try:
            with open_bytes(piece.file) as stream:
                text = CsvStream(stream, translation, self.source.encoding, look=guard)
                while text.read(_BLOCK):
                    pass
        except CsvTextError as error:
            where = "" if error.offset is None else f", line {self._line(piece.file, error.offset)}"
            raise QuoteError(f"{piece.name}{where}: {error}") from error

    def _line(self, location: str, offset: int) -> int:
        """Line number, from 1, of an offset into the text of a file."""
        lines = 1
        with open_bytes(location) as stream:
            text = CsvStream(stream, translation_of(self.source), self.source.encoding)
            while offset and (block := text.read(min(offset, _BLOCK))):
                lines += max(block.count(b"\n"), block.count(b"\r"))
                offset -= len(block)
        return lines


def _quietly(read: Callable[[], Iterable[pa.RecordBatch]], rejects: "_Rejects") -> Iterator[pa.RecordBatch]:
    """Yields batches and silences what Arrow prints about rows that are not UTF-8, as Arrow also raises for them."""
    with _silenced(rejects):
        batches = iter(read())
    while True:
        with _silenced(rejects):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


@contextmanager
def _silenced(rejects: "_Rejects") -> Iterator[None]:
    usual = sys.unraisablehook

    def filtered(unraisable: "sys.UnraisableHookArgs") -> None:
        if not (unraisable.object is rejects and isinstance(unraisable.exc_value, UnicodeError)):
            usual(unraisable)

    sys.unraisablehook = filtered
    try:
        yield
    finally:
        sys.unraisablehook = usual


class _Rejects:
    """Collects rows with a wrong number of fields, as the handler that Arrow calls for them."""

    def __init__(self, translation: Translation, *, header_lines: int) -> None:
        self.found: list[Reject] = []
        self.runaway_quote: str | None = None
        self.over_lines = False
        self._translation = translation
        self._before = header_lines + 1  # Arrow counts rows from 1, including the header

    def __call__(self, row: arrow_csv.InvalidRow) -> str:
        position = row.number - self._before
        text = self._translation.back(row.text)
        self.over_lines |= "\n" in row.text or "\r" in row.text
        if row.text.count("\n") >= _LINES_OF_A_RUNAWAY_QUOTE:
            self.runaway_quote = (
                f"has a quote in row {position} that stays open for many lines: {text[:80]!r}…; "
                "set 'quote: null' if quotes are ordinary characters in this file"
            )
            return "error"  # Arrow would swallow an exception
        fields = "1 field" if row.actual_columns == 1 else f"{row.actual_columns} fields"
        reason = f"{fields} instead of {row.expected_columns}"
        if self._looks_escaped(text, row.expected_columns):
            reason += "; backslashes look like escapes: set escape: '\\'"
        self.found.append(Reject(position, reason, text))
        return "skip"

    def positions(self, good: int, rows: int) -> np.ndarray:
        """Row numbers in the file of the good rows `good` to `good + rows`, int64 `[rows]`.

        Example: file rows 0–4 with reject 1 → the good rows 0, 1, 2 and 3 are the file rows 0, 2, 3 and 4.
        """
        good_before_reject = np.array([reject.row for reject in self.found], np.int64) - np.arange(len(self.found))
        numbers = np.arange(good, good + rows)
        return numbers + np.searchsorted(good_before_reject, numbers, side="right")

    def _looks_escaped(self, text: str, fields: int) -> bool:
        """Whether a row would have the right number of fields if backslashes were escapes."""
        if self._translation.escape is not None or "\\" not in text:
            return False
        escaped = replace(self._translation, escape="\\")
        return len(next(parsed(escaped.forward(text.encode()).decode(), escaped), [])) == fields
