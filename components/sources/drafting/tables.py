"""Files sorted into tables by their columns, and a bounded sample of each table."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components import storage
from components.errors import DataError
from components.sources.column_types import cast
from components.sources.config import Split
from components.sources.drafting.looking import SOURCES, Layout, Settings, look_at, source_of
from components.sources.drafting.names import concepts, words
from components.sources.drafting.notation import Notation, find_notation
from components.sources.drafting.profile import Column, profile
from components.sources.files import SourceFile
from components.sources.moment_texts import parse_dates
from components.sources.partitions import is_partition, partitions_of
from components.sources.piece_rows import partition_types, rows_of
from components.sources.readers import make_reader
from components.sources.reading import Piece, Rows

_FILES = 4
_BATCHES = 4
_ROWS = 200_000
_NEARLY_ALL = 0.99
_ROWS_OF_A_COLUMN = 5_000_000
_MOST_LOOKED_AT = 64
_MOST_BROKEN = 0.5
_MOST_BROKEN_UNASKED = 0.2
_OF_NOTATION = ("null_values", "date_formats", "decimal_commas")
_SPLIT_WORDS: Mapping[str, Split] = {
    "train": "train", "training": "train", "valid": "validation", "validation": "validation", "val": "validation",
    "dev": "validation", "test": "test", "testing": "test", "holdout": "test", "eval": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Files that are one table.

    Attributes:
        files: in the order of their names.
        settings: of the table in `data`, without paths and roles.
        columns: what a sample says.
        complete: whether the sample is all there is.
        broken: share of the sampled rows that cannot be parsed.
        notation: what its texts call for; it is part of the settings.
    """

    files: tuple[SourceFile, ...]
    settings: Settings
    columns: Mapping[str, Column]
    complete: bool
    broken: float = 0.0
    notation: Notation = field(default_factory=Notation)

    @property
    def name(self) -> str:
        """What to call it: its first file."""
        return self.files[0].name + (f" and {len(self.files) - 1} more" if len(self.files) > 1 else "")

    @property
    def stem(self) -> str:
        """What the name of a file says the table holds, and that of its directory."""
        parts = [part for part in self.files[0].name.split("/") if not is_partition(part)]
        stem = parts[-1].partition(".")[0]
        return stem if words(stem) and "part" not in words(stem) else " ".join([*parts[-2:-1], stem])

    @property
    def rows(self) -> int:
        """Rows of the sample."""
        return max((len(column.values) for column in self.columns.values()), default=0)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def has_header(self) -> bool:
        """Whether the columns have names of their own."""
        return "names" not in self.settings

    @cached_property
    def keys(self) -> Mapping[str, pa.Array]:
        """Columns that could name the rows, as nearly each has a value of its own, and all these values as text."""
        return {
            column.name: pc.unique(read_column(self, column.name).drop_null().cast(pa.string()))
            for column in self.columns.values()
            if _could_be_key(column)
        }

    @property
    def layout_settings(self) -> Settings:
        """Settings without those that the notation of the values called for."""
        return {key: value for key, value in self.settings.items() if key not in _OF_NOTATION}

    @property
    def splits(self) -> Mapping[Split, Sequence[SourceFile]]:
        """Files of each split, where the names of all of them say it; otherwise nothing."""
        found: dict[Split, list[SourceFile]] = {}
        for file in self.files:
            split = split_of(file.name)
            if split is None:
                return {}
            found.setdefault(split, []).append(file)
        return found if {"train", "test"} <= found.keys() else {}


def sort_into_tables(
    files: Sequence[storage.StoredFile], base: Path, *, asked: frozenset[str]
) -> tuple[list[Table], list[str]]:
    """Tables of some files, and what was wrong with files that are none.

    Args:
        files: to be sorted.
        base: what their names are relative to.
        asked: locations that were given one by one; of these an error is raised.

    Raises:
        DataError: a file that was asked for is broken or no table.
    """
    layouts: list[tuple[SourceFile, Layout]] = []
    problems: list[str] = []
    for alike in _by_shape(files, base):
        try:
            layouts += _looked_at(alike)
        except DataError as error:
            if any(file.location in asked for file in alike):
                raise
            problems.append(str(error))
    tables: list[Table] = []
    for group, layout in _by_columns(layouts):
        try:
            tables.append(_sampled(group, layout, asked=any(file.location in asked for file in group)))
        except DataError as error:
            if any(file.location in asked for file in group):
                raise
            problems.append(str(error))
    return _united(tables), problems


def split_of(name: str) -> Split | None:
    """The split that a file's name tells, or that of its directory."""
    parts = name.lower().split("/")[-2:]
    found = [_SPLIT_WORDS[word] for part in reversed(parts) for word in re.findall("[a-z]+", part.partition(".")[0])
             if word in _SPLIT_WORDS]  # fmt: skip
    return found[0] if found else None


def shape_of(name: str) -> str:
    """What files of one table have in common in their names: all but digits, splits and partitions."""
    parts = [part for part in name.lower().split("/") if not is_partition(part)]
    words = re.findall(r"[a-z]+|[^a-z]+", "/".join(parts))
    kept = "".join(word for word in words if word not in _SPLIT_WORDS)
    return re.sub(r"([0-9a-f]{8,}|[0-9]+|[-_/.\s])+", "#", kept)


def _by_shape(files: Sequence[storage.StoredFile], base: Path) -> Iterator[list[SourceFile]]:
    """Files in lists: of many with alike names a few are enough to look at; of others, each is looked at."""
    alike: dict[str, list[SourceFile]] = {}
    for file in files:
        local = not storage.is_remote(file.location)
        name = file.location.removeprefix(f"{base}/") if local else file.location
        source = SourceFile(file.location, name, file.size, None, partitions_of(name))
        alike.setdefault(shape_of(name), []).append(source)
    for group in alike.values():
        if len(group) > _MOST_LOOKED_AT:
            yield group
        else:
            yield from ([file] for file in group)


def _looked_at(alike: Sequence[SourceFile]) -> list[tuple[SourceFile, Layout]]:
    layouts = [look_at(file) for file in alike[:: math.ceil(len(alike) / _FILES)]]
    if len(set(map(_key, layouts))) > 1:
        return [(file, look_at(file)) for file in alike]
    return [(file, layouts[0]) for file in alike]


def _key(layout: Layout) -> str:
    settings = {key: value for key, value in layout.settings.items() if key != "names"}
    return repr((sorted(settings.items()), layout.columns and sorted(layout.columns)))


def _by_columns(layouts: Sequence[tuple[SourceFile, Layout]]) -> Iterator[tuple[list[SourceFile], Layout]]:
    """Puts files with the same columns and alike names together."""
    groups: dict[tuple[str, str], tuple[list[SourceFile], Layout]] = {}
    for file, layout in layouts:
        files, _ = groups.setdefault((_key(layout), shape_of(file.name)), ([], layout))
        files.append(file)
    yield from groups.values()


def _united(tables: Sequence[Table]) -> list[Table]:
    """Joins tables with the same columns whose names differ by more than digits: months, countries, kinds of event."""
    united: list[Table] = []
    for table in tables:
        place = next((place for place, other in enumerate(united) if _are_one(table, other)), None)
        if place is None:
            united.append(table)
        else:
            files = [*united[place].files, *table.files]
            united[place] = _sampled(files, Layout(table.layout_settings, tuple(table.columns)), asked=True)
    return united


def _are_one(table: Table, other: Table) -> bool:
    alike = table.layout_settings == other.layout_settings and table.columns.keys() == other.columns.keys()
    if not (alike and table.has_header):
        return False
    # Tables of entities are often alike by chance, as `users.csv` and `items.csv` with id and name.
    entities = any(column.is_unique for each in (table, other) for column in each.columns.values())
    return not entities or words(table.stem)[:1] == words(other.stem)[:1]


def _sampled(files: Sequence[SourceFile], layout: Layout, *, asked: bool) -> Table:
    table = _read(files, layout.settings)
    notation = find_notation(table.columns)
    wanted = _settings_for(notation, layout.settings)
    if wanted:
        table = replace(_read(files, {**layout.settings, **wanted}), notation=notation)
    if table.rows == 0:
        raise DataError(f"{files[0].name} has no rows")
    if table.broken > (_MOST_BROKEN if asked else _MOST_BROKEN_UNASKED):
        raise DataError(f"{files[0].name} is no table: {table.broken:.0%} of its rows do not have the same fields")
    return table


def _settings_for(notation: Notation, settings: Settings) -> dict[str, object]:
    known = SOURCES[settings["format"]].model_fields
    wanted = {
        "null_values": ["", *notation.missing] if notation.missing else [],
        "date_formats": dict(notation.date_formats),
        "decimal_commas": list(notation.decimal_commas),
    }
    return {key: value for key, value in wanted.items() if value and key in known}


def _read(files: Sequence[SourceFile], settings: Settings) -> Table:
    chosen = list(files[:: math.ceil(len(files) / _FILES)])
    reader = make_reader("sample", source_of(settings, chosen[0].location), chosen, None)
    pieces = reader.pieces()
    first = list({piece.file: piece for piece in reversed(pieces)}.values())[::-1]
    parts = [_first_rows(rows_of(reader, piece, None, None), _ROWS // len(first)) for piece in first]
    table = _joined([part.rows for part in parts], first)
    complete = len(chosen) == len(files) and len(first) == len(pieces) and all(part.complete for part in parts)
    broken = sum(part.broken for part in parts)
    table = _with_iso_dates(table, settings.get("date_formats", {}))
    columns = profile(table, texts=settings["format"] == "csv")
    return Table(tuple(files), settings, columns, complete, broken / max(broken + table.num_rows, 1))


def _with_iso_dates(table: pa.Table, date_formats: Mapping[str, str]) -> pa.Table:
    """The table with dates rewritten, so that they are seen as such; texts that do not fit stay."""
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
    """All values of a column as far as a few million rows reach; the sample's where it has all rows."""
    if table.complete:
        return table.columns[name].values
    reader = make_reader("sample", source_of(table.settings, table.files[0].location), table.files, None)
    parts: list[pa.Array] = []
    rows = 0
    for batch in chain.from_iterable(rows_of(reader, piece, None, [name]) for piece in reader.pieces()):
        if name in batch.batch.schema.names:
            values = batch.batch.column(name)
            values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
            parts.append(values.cast(pa.string()))
        rows += batch.batch.num_rows
        if rows > _ROWS_OF_A_COLUMN:
            break
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


@dataclass(frozen=True)
class _Part:
    rows: list[pa.Table]
    broken: int
    complete: bool


def _first_rows(batches: Iterator[Rows], most: int) -> _Part:
    taken: list[pa.Table] = []
    broken = rows = 0
    for batch in islice(batches, _BATCHES):
        broken += len(batch.rejects)
        if batch.batch.num_rows:
            taken.append(pa.Table.from_batches([batch.batch]).slice(0, most - rows))
            rows += batch.batch.num_rows
        if rows > most:
            return _Part(taken, broken, complete=False)
    return _Part(taken, broken, complete=next(batches, None) is None)


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
