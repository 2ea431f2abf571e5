"""A table of one or more files, with a bounded sample of its rows."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.errors import DataError
from dataplane.sources.config import Split
from dataplane.sources.files import SourceFile
from dataplane.sources.formats.quote_guard import QuoteError
from dataplane.sources.ingestion.column_types import cast
from dataplane.sources.ingestion.id_values import ids_of
from dataplane.sources.ingestion.moment_texts import parse_dates
from dataplane.sources.ingestion.piece_rows import partition_types, rows_of
from dataplane.sources.partitions import is_partition
from dataplane.sources.readers import make_reader
from dataplane.sources.reading import SAMPLE, Piece, Reject, Rows
from pipeline.drafting.file_names import split_of
from pipeline.drafting.layouts import SOURCES, Layout, Settings, source_of
from pipeline.drafting.names import concepts, words
from pipeline.drafting.notation import Notation, find_notation
from pipeline.drafting.profile import Column, profile

_FILES = 4
_BATCHES = 4
_ROWS = 200_000
_NEARLY_ALL = 0.99
_ROWS_OF_A_COLUMN = 5_000_000
_MOST_BROKEN = 0.5
_MOST_BROKEN_UNNAMED = 0.2
_OF_NOTATION = ("null_values", "date_formats", "decimal_commas")


@dataclass(frozen=True)
class Table:
    """Files that form one table.

    Attributes:
        files: the files in the order of their names.
        settings: settings of the table in `data`, without paths and roles.
        columns: profiles of the columns in a sample.
        complete: whether the sample has all rows.
        rejects: the sampled rows that cannot be parsed.
        notation: notation of its texts; its settings are part of `settings`.
    """

    files: tuple[SourceFile, ...]
    settings: Settings
    columns: Mapping[str, Column]
    complete: bool
    rejects: Sequence[Reject] = field(default=(), repr=False)
    notation: Notation = field(default_factory=Notation)

    @property
    def name(self) -> str:
        """A name for messages: its first file."""
        return self.files[0].name + (f" and {len(self.files) - 1} more" if len(self.files) > 1 else "")

    @property
    def stem(self) -> str:
        """The part of the file's name, or of its directory's, that says what the table holds."""
        parts = [part for part in self.files[0].name.split("/") if not is_partition(part)]
        stem = parts[-1].partition(".")[0]
        return stem if words(stem) and "part" not in words(stem) else " ".join([*parts[-2:-1], stem])

    @property
    def rows(self) -> int:
        """Number of rows in the sample."""
        return max((len(column.values) for column in self.columns.values()), default=0)

    @property
    def broken(self) -> float:
        """Share of the sampled rows that cannot be parsed."""
        return len(self.rejects) / max(len(self.rejects) + self.rows, 1)

    @property
    def size(self) -> int:
        """Total size of all files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def has_header(self) -> bool:
        """Whether the files name the columns."""
        return "names" not in self.settings

    @cached_property
    def keys(self) -> Mapping[str, pa.Array]:
        """Columns that could name the rows, because nearly all values are distinct, with these values as text."""
        return {
            column.name: pc.unique(read_column(self, column.name).drop_null())
            for column in self.columns.values()
            if _could_be_key(column)
        }

    @property
    def layout_settings(self) -> Settings:
        """The settings without those of the notation."""
        return {key: value for key, value in self.settings.items() if key not in _OF_NOTATION}

    @property
    def splits(self) -> Mapping[Split, Sequence[SourceFile]]:
        """Files of each split if the names of all files say a split; otherwise empty."""
        found: dict[Split, list[SourceFile]] = {}
        for file in self.files:
            split = split_of(file.name)
            if split is None:
                return {}
            found.setdefault(split, []).append(file)
        return found if {"train", "test"} <= found.keys() else {}


def read_table(files: Sequence[SourceFile], layout: Layout, *, named_by_user: bool) -> Table:
    """Reads a sample of a table with the settings that the notation of its texts needs.

    Args:
        files: files of the table.
        layout: their layout.
        named_by_user: whether the user named one of the files; then more broken rows are tolerated.

    Raises:
        DataError: the table has no rows, cannot be read, or too many rows are broken.
    """
    table = _read_quotes(files, layout.settings)
    notation = find_notation(table.columns)
    wanted = _settings_for(notation, table.settings)
    if wanted:
        table = replace(_read(files, {**table.settings, **wanted}), notation=notation)
    if table.rows == 0:
        raise DataError(f"{files[0].name} has no rows")
    if table.broken > (_MOST_BROKEN if named_by_user else _MOST_BROKEN_UNNAMED):
        raise DataError(f"{files[0].name} is not a table: {table.broken:.0%} of its rows have other fields")
    return table


def _settings_for(notation: Notation, settings: Settings) -> dict[str, object]:
    known = SOURCES[settings["format"]].model_fields
    wanted = {
        "null_values": ["", *notation.missing] if notation.missing else [],
        "date_formats": dict(notation.date_formats),
        "decimal_commas": list(notation.decimal_commas),
    }
    return {key: value for key, value in wanted.items() if value and key in known}


def _read_quotes(files: Sequence[SourceFile], settings: Settings) -> Table:
    """Reads a table. If a quote would be misread, and quotes enclose no fields, they are ordinary characters.

    Raises:
        QuoteError: quotes enclose fields, and one of them would be misread.
    """
    try:
        return _read(files, settings)
    except QuoteError:
        if {"quote", "escape"} & settings.keys():  # fields in such quotes were found
            raise
        table = _read(files, {**settings, "quote": None})
        if _has_quoted_fields(table):
            raise
        return table


def _has_quoted_fields(table: Table) -> bool:
    """Whether quotes enclose more fields than they merely begin, or hold delimiters."""
    enclosed = begun = 0
    for column in table.columns.values():
        if column.is_text:
            whole = pc.match_substring_regex(column.texts(), r'^".*"$')
            enclosed += pc.sum(whole).as_py() or 0
            begun += pc.sum(pc.starts_with(column.texts(), '"')).as_py() or 0
    return 2 * enclosed > begun or any('"' in reject.record for reject in table.rejects)


def _read(files: Sequence[SourceFile], settings: Settings) -> Table:
    chosen = list(files[:: math.ceil(len(files) / _FILES)])
    reader = make_reader(SAMPLE, source_of(settings, chosen[0].location), chosen)
    pieces = reader.pieces()
    first = list({piece.file: piece for piece in reversed(pieces)}.values())[::-1]
    parts = [_first_rows(rows_of(reader, piece, None, None), _ROWS // len(first)) for piece in first]
    table = _joined([part.rows for part in parts], first)
    complete = len(chosen) == len(files) and len(first) == len(pieces) and all(part.complete for part in parts)
    rejects = [reject for part in parts for reject in part.rejects]
    table = _with_iso_dates(table, settings.get("date_formats", {}))
    columns = profile(table, texts=settings["format"] == "csv")
    return Table(tuple(files), settings, columns, complete, rejects)


def _with_iso_dates(table: pa.Table, date_formats: Mapping[str, str]) -> pa.Table:
    """Rewrites dates in ISO format, so that they are recognised as dates; texts that do not fit stay."""
    for name, written in date_formats.items():
        texts = table[name].combine_chunks()
        iso = pc.strftime(parse_dates(texts, written)[1], "%Y-%m-%dT%H:%M:%SZ")
        table = table.set_column(table.column_names.index(name), name, pc.coalesce(iso, texts))
    return table


def _could_be_key(column: Column) -> bool:
    rows = len(column.values)
    unique = column.missing_share <= 1 - _NEARLY_ALL and column.distinct >= _NEARLY_ALL * rows > 1
    if not unique or not column.can_hold_ids or column.is_prose:
        return False
    said = concepts(column.name)
    return not column.moments.is_time or "key" in said or not (column.moments.typed or "time" in said)


def read_column(table: Table, name: str) -> pa.Array:
    """Values of a column as ids, from up to a few million rows; from the sample if it has all rows."""
    column = table.columns[name]
    if table.complete:
        return column.ids
    reader = make_reader(SAMPLE, source_of(table.settings, table.files[0].location), table.files)
    parts: list[pa.Array] = []
    rows = 0
    for batch in chain.from_iterable(rows_of(reader, piece, None, [name]) for piece in reader.pieces()):
        if name in batch.batch.schema.names:
            values = batch.batch.column(name)
            values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
            parts.append(ids_of(values, whole_numbers=column.has_whole_floats)[0])
        rows += batch.batch.num_rows
        if rows > _ROWS_OF_A_COLUMN:
            break
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


@dataclass(frozen=True)
class _Part:
    rows: list[pa.Table]
    rejects: list[Reject]
    complete: bool


def _first_rows(batches: Iterator[Rows], most: int) -> _Part:
    taken: list[pa.Table] = []
    rejects: list[Reject] = []
    rows = 0
    for batch in islice(batches, _BATCHES):
        rejects += batch.rejects
        if batch.batch.num_rows:
            taken.append(pa.Table.from_batches([batch.batch]).slice(0, most - rows))
            rows += batch.batch.num_rows
        if rows > most:
            return _Part(taken, rejects, complete=False)
    return _Part(taken, rejects, complete=next(batches, None) is None)


def _joined(parts: Iterable[list[pa.Table]], pieces: Sequence[Piece]) -> pa.Table:
    tables = list(chain.from_iterable(parts))
    try:
        table = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    except pa.ArrowException as error:
        raise DataError(f"the types of a column differ among {', '.join(p.name for p in pieces)}: {error}") from error
    for name, kind in partition_types(pieces).items():
        if name in table.column_names:
            column = cast(table[name].combine_chunks(), kind)
            table = table.set_column(table.column_names.index(name), name, column)
    return table
