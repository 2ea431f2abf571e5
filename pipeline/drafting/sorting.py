"""Sorts files into tables by their columns."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataplane.errors import DataError
from dataplane.files import storage
from dataplane.sources.files import SourceFile
from dataplane.sources.partitions import partitions_of
from pipeline.drafting.file_names import shape_of
from pipeline.drafting.ids import row_keys
from pipeline.drafting.layouts import Layout, detect_layout
from pipeline.drafting.names import words
from pipeline.drafting.tables import Table, read_table

_FILES = 4
_MOST_LOOKED_AT = 64


def sort_into_tables(
    files: Sequence[storage.StoredFile], base: Path, *, named_by_user: frozenset[str]
) -> tuple[list[Table], list[str]]:
    """Sorts files into tables; returns the tables and the problems of files that are not tables.

    Args:
        files: the files.
        base: directory that their names are relative to.
        named_by_user: locations that the user named one by one; a problem of such a file is an error.

    Raises:
        DataError: a file that the user named is broken or not a table.
    """
    layouts: list[tuple[SourceFile, Layout]] = []
    problems: list[str] = []
    for similar in _by_shape(files, base):
        try:
            layouts += _layouts(similar)
        except DataError as error:
            if any(file.location in named_by_user for file in similar):
                raise
            problems.append(str(error))
    tables: list[Table] = []
    for group, layout in _by_columns(layouts):
        try:
            tables.append(
                read_table(group, layout, named_by_user=any(file.location in named_by_user for file in group))
            )
        except DataError as error:
            if any(file.location in named_by_user for file in group):
                raise
            problems.append(str(error))
    return _united(tables), problems


def _by_shape(files: Sequence[storage.StoredFile], base: Path) -> Iterator[list[SourceFile]]:
    """Groups many files with similar names, of which a few are inspected; each other file is a group of its own."""
    similar: dict[str, list[SourceFile]] = {}
    for file in files:
        local = not storage.is_remote(file.location)
        name = file.location.removeprefix(f"{base}/") if local else file.location
        source = SourceFile(file.location, name, file.size, None, partitions_of(name))
        similar.setdefault(shape_of(name), []).append(source)
    for group in similar.values():
        if len(group) > _MOST_LOOKED_AT:
            yield group
        else:
            yield from ([file] for file in group)


def _layouts(similar: Sequence[SourceFile]) -> list[tuple[SourceFile, Layout]]:
    layouts = [detect_layout(file) for file in similar[:: math.ceil(len(similar) / _FILES)]]
    if len(set(map(_key, layouts))) > 1:
        return [(file, detect_layout(file)) for file in similar]
    return [(file, layouts[0]) for file in similar]


def _key(layout: Layout) -> str:
    settings = {key: value for key, value in layout.settings.items() if key != "names"}
    return repr((sorted(settings.items()), layout.columns and sorted(layout.columns)))


def _by_columns(layouts: Sequence[tuple[SourceFile, Layout]]) -> Iterator[tuple[list[SourceFile], Layout]]:
    """Groups files with the same columns and similar names."""
    groups: dict[tuple[str, str], tuple[list[SourceFile], Layout]] = {}
    for file, layout in layouts:
        files, _ = groups.setdefault((_key(layout), shape_of(file.name)), ([], layout))
        files.append(file)
    yield from groups.values()


def _united(tables: Sequence[Table]) -> list[Table]:
    """Joins tables with equal columns whose names differ by more than digits: months, countries, kinds of event."""
    united: list[Table] = []
    for table in tables:
        index = next((index for index, other in enumerate(united) if _are_one(table, other)), None)
        if index is None:
            united.append(table)
        else:
            files = [*united[index].files, *table.files]
            united[index] = read_table(files, Layout(table.layout_settings, tuple(table.columns)), named_by_user=True)
    return united


def _are_one(table: Table, other: Table) -> bool:
    same = table.layout_settings == other.layout_settings and table.columns.keys() == other.columns.keys()
    if not (same and table.has_header):
        return False
    # Tables of entities often have equal columns by chance, such as `users.csv` and `items.csv` with id and name.
    entities = row_keys(table) or row_keys(other)
    return not entities or words(table.stem)[:1] == words(other.stem)[:1]
