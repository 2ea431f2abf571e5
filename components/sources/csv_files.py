"""Delimited text: every field is read as text, so that ids keep their leading zeros, and cast afterwards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from components.errors import DataError
from components.sources.config import CsvEntities, CsvInteractions
from components.sources.files import UNREADABLE, SourceFile, open_bytes, unreadable
from components.sources.headers import csv_header
from components.sources.reading import Piece, Reject, Rows
from components.sources.text_files import file_pieces

_BLOCK = 8 << 20
_MEND_ENCODING = "set 'encoding' to what it is, such as latin-1 or cp1252"
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
        """Unknown until all values have been seen: the millionth zip code may have a letter."""

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Batches of text columns; rows with another number of fields than the header are rejects."""
        names = csv_header(self.source, piece.file, piece.name)
        wanted = {name for name in names if name} if columns is None else set(columns)
        rejects = _Rejects(header_lines=0 if self.source.names else 1)
        try:
            yield from self._rows(piece.file, names, wanted, rejects)
        except pa.ArrowInvalid as error:
            raise DataError(f"{piece.name} {rejects.runaway_quote or self._explanation(str(error))}") from error
        except UnicodeError as error:
            raise DataError(f"{piece.name} is not {self.source.encoding} text: {error}; {_MEND_ENCODING}") from error
        except UNREADABLE as error:
            raise unreadable(piece.name, error) from error

    def _rows(self, location: str, names: list[str], wanted: set[str], rejects: "_Rejects") -> Iterator[Rows]:
        good = taken = 0
        with open_bytes(location) as stream:
            for batch in self._open(stream, names, wanted, rejects):
                position = rejects.positions(good, batch.num_rows)
                good += batch.num_rows
                yield Rows(batch, position, rejects.found[taken:])
                taken = len(rejects.found)
            if taken < len(rejects.found):
                yield Rows(pa.RecordBatch.from_pylist([]), np.empty(0, np.int64), rejects.found[taken:])

    def _open(
        self, stream: object, names: list[str], wanted: set[str], rejects: "_Rejects"
    ) -> Iterable[pa.RecordBatch]:
        labels = [name or f"\0{index}" for index, name in enumerate(names)]
        quote = self.source.quote
        return arrow_csv.open_csv(  # type: ignore[no-any-return]
            stream,
            read_options=arrow_csv.ReadOptions(
                column_names=labels,
                skip_rows=0 if self.source.names else 1,
                encoding=self.source.encoding,
                block_size=_BLOCK,
                use_threads=False,  # otherwise rejected rows come without their number
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.source.delimiter,
                quote_char=quote or False,
                newlines_in_values=quote is not None,
                invalid_row_handler=rejects,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(labels, pa.string()),
                check_utf8=False,  # one bad row would refuse the file; rows are looked at afterwards
                include_columns=[label for label in labels if label in wanted],
                strings_can_be_null=True,
                null_values=self.source.null_values,
            ),
        )

    def _explanation(self, message: str) -> str:
        if "\ufffd" in message:  # Arrow's handler of invalid rows is given none that is not UTF-8
            return f"is not {self.source.encoding} text: {message}; {_MEND_ENCODING}"
        if "Empty CSV" in message:
            return "has no rows"
        return f"cannot be read as delimited text: {message}"


class _Rejects:
    """Arrow's handler of rows that have the wrong number of fields."""

    def __init__(self, *, header_lines: int) -> None:
        self.found: list[Reject] = []
        self.runaway_quote: str | None = None
        self._before = header_lines + 1  # Arrow counts rows from 1, the header included

    def __call__(self, row: arrow_csv.InvalidRow) -> str:
        position = row.number - self._before
        if row.text.count("\n") >= _LINES_OF_A_RUNAWAY_QUOTE:
            self.runaway_quote = (
                f"has a quote in row {position} that does not close for many lines: {row.text[:80]!r}…; "
                "set 'quote: null' if quotes are ordinary characters in this file"
            )
            return "error"  # Arrow would swallow an exception
        reason = f"{row.actual_columns} fields instead of {row.expected_columns}"
        self.found.append(Reject(position, reason, row.text))
        return "skip"

    def positions(self, good: int, rows: int) -> np.ndarray:
        """Row in the file of good rows number `good` to `good + rows`, given the rejects among them."""
        good_before_reject = np.array([reject.row for reject in self.found], np.int64) - np.arange(len(self.found))
        numbers = np.arange(good, good + rows)
        return numbers + np.searchsorted(good_before_reject, numbers, side="right")
