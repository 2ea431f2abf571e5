"""Files sorted into tables by their columns."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataplane.errors import DataError
from dataplane.files import storage
from dataplane.sources.files import SourceFile
from dataplane.sources.partitions import partitions_of
from pipeline.drafting.file_names import shape_of
from pipeline.drafting.ids import row_keys
from pipeline.drafting.looking import Layout, look_at
from pipeline.drafting.names import words
from pipeline.drafting.tables import Table, read_table

_FILES = 4
_MOST_LOOKED_AT = 64


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
            tables.append(read_table(group, layout, asked=any(file.location in asked for file in group)))
        except DataError as error:
            if any(file.location in asked for file in group):
                raise
            problems.append(str(error))
    return _united(tables), problems


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
            united[place] = read_table(files, Layout(table.layout_settings, tuple(table.columns)), asked=True)
    return united


def _are_one(table: Table, other: Table) -> bool:
    alike = table.layout_settings == other.layout_settings and table.columns.keys() == other.columns.keys()
    if not (alike and table.has_header):
        return False
    # Tables of entities are often alike by chance, as `users.csv` and `items.csv` with id and name.
    entities = row_keys(table) or row_keys(other)
    return not entities or words(table.stem)[:1] == words(other.stem)[:1]
