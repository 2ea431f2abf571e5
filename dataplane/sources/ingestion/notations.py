"""Rewrites numbers of a local notation with a decimal point, and texts that mean a missing value as null."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.config import CsvEntities, CsvInteractions, MappedEntities, MappedInteractions
from dataplane.sources.ingestion.column_types import is_text
from dataplane.sources.ingestion.piece_rows import well_formed
from dataplane.sources.reading import Piece, Reader, Rows

_COMMA = r"^\s*[+-]?([0-9]{1,3}([. \x{00A0}\x{202F}][0-9]{3})+|[0-9]+)(,[0-9]+)?\s*$"
_BETWEEN_THOUSANDS = r"[. \x{00A0}\x{202F}]"
_THOUSANDS = r"^\s*[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?\s*$"


def in_common_notation(
    batch: pa.RecordBatch,
    *,
    decimal_commas: Iterable[str] = (),
    thousands_commas: Iterable[str] = (),
    null_values: Sequence[str] = (),
) -> pa.RecordBatch:
    """Rewrites columns of text. Values in another notation stay as they are.

    Example with `price` in `decimal_commas`: `1.234,50` → `1234.50`, `7,5` → `7.5`, `n/a` → `n/a`.

    Args:
        batch: columns of any type.
        decimal_commas: columns of numbers with a decimal comma.
        thousands_commas: columns of numbers with commas between thousands.
        null_values: texts that mean a missing value, in all columns.
    """
    names, columns = batch.schema.names, list(batch.columns)
    decimal_commas, thousands_commas = frozenset(decimal_commas), frozenset(thousands_commas)
    for place, name in enumerate(names):
        if not is_text(columns[place].type):
            continue
        values = columns[place].cast(pa.string())
        if null_values:
            values = pc.if_else(pc.is_in(values, pa.array(null_values)), None, values)
        if name in decimal_commas:
            values = _with_point(values)
        elif name in thousands_commas:
            plain = pc.replace_substring(values, ",", "")
            values = pc.if_else(pc.match_substring_regex(values, _THOUSANDS), plain, values)
        columns[place] = values
    # Columns are replaced all at once, because setting one copies the list of all.
    return pa.RecordBatch.from_arrays(columns, names) if names else batch


@dataclass(frozen=True)
class NotationReader:
    """Wraps a reader and rewrites its rows in common notation."""

    reader: Reader
    source: MappedInteractions | MappedEntities

    def pieces(self) -> list[Piece]:
        """Pieces of the wrapped reader."""
        return self.reader.pieces()

    def types(self, pieces: Sequence[Piece]) -> dict[str, dict[str, set[str]]] | None:
        """Types of the wrapped reader; text stays text."""
        return self.reader.types(pieces)

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Rows of the wrapped reader, rewritten. Rows with text in another encoding are rejects."""
        source = self.source
        for rows in self.reader.read(piece, types, columns):
            rows = well_formed(rows)
            batch = in_common_notation(
                rows.batch,
                decimal_commas=source.decimal_commas,
                thousands_commas=source.thousands_commas,
                null_values=_null_values(source),
            )
            yield replace(rows, batch=batch)


def in_notation_of(reader: Reader, source: MappedInteractions | MappedEntities) -> Reader:
    """Wraps a reader if the settings name a local notation, else returns it."""
    if source.decimal_commas or source.thousands_commas or _null_values(source):
        return NotationReader(reader, source)
    return reader


def _null_values(source: MappedInteractions | MappedEntities) -> Sequence[str]:
    """Texts for missing values, unless the reader of the format already handles them."""
    return () if isinstance(source, CsvInteractions | CsvEntities) else source.null_values


def _with_point(texts: pa.StringArray) -> pa.StringArray:
    plain = pc.replace_substring(pc.replace_substring_regex(texts, _BETWEEN_THOUSANDS, ""), ",", ".")
    return pc.if_else(pc.match_substring_regex(texts, _COMMA), plain, texts)
