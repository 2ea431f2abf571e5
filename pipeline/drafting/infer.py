"""Drafts a configuration for undescribed files from a sample of each, and explains its guesses."""

from collections.abc import Sequence
from pathlib import Path

from dataplane.errors import ConfigError, DataError
from dataplane.sources.partitions import is_partition
from pipeline.drafting.entities import find_entities
from pipeline.drafting.facts import facts_of
from pipeline.drafting.listing import absolute, common_directory, data_files
from pipeline.drafting.roles import by_evidence, find_roles, why_no_interactions
from pipeline.drafting.sorting import sort_into_tables
from pipeline.drafting.tables import Table
from pipeline.drafting.writing import Draft

_MOST_LISTED = 10
_WANTED = (
    "Looked for one row per event, with two id columns: named such as user_id and item_id, or with values that are ids "
    "of another table or repeat from row to row. If a table below is that, give its columns such names in its first "
    "line."
)


def infer_draft(paths: Sequence[str], name: str = "") -> Draft:
    """Drafts a configuration for a user's Parquet, CSV or JSONL files.

    It sorts files into tables by their columns. It guesses formats, delimiters, encodings and headers, which table
    holds the interactions and which describe queries or candidates, the roles of columns, and the type of feature of
    each other column.

    Args:
        paths: files, directories or globs, local or in object stores. Files named train, validation and test are an
            existing split.
        name: name of the pipeline; defaults to that of the directory.

    Raises:
        ConfigError: there is no such file, none can be read, or none holds interactions; the message lists what was
            found.
        RunError: a directory or store cannot be read.
    """
    try:
        return _draft([absolute(path) for path in paths], name)
    except DataError as error:
        raise ConfigError(str(error)) from error


def _draft(given: Sequence[str], name: str) -> Draft:
    base = common_directory(given)
    tables, problems = _tables(given, base)
    found = {
        index: roles
        for index, table in enumerate(tables)
        if (roles := find_roles(table, [other for other in tables if other is not table])) is not None
    }
    if not found:
        raise ConfigError("\n".join(_nothing_found(tables, problems)))
    index = by_evidence(found, tables)
    interactions, roles = tables[index], found[index]
    entities = find_entities(roles, [table for table in tables if table is not interactions])
    facts = facts_of(interactions, roles, entities.found.values())
    # A directory that is one table becomes the table's path; relative paths then start at its parent.
    is_all = len(tables) == 1 and [*given] == [str(base)] and not interactions.splits
    whole = is_all and (len(interactions.files) > 1 or bool(interactions.files[0].partitions))
    start = base.parent if whole and not is_partition(base.name) else base
    return Draft(name or base.name, start, given, interactions, roles, entities, facts, problems)


def _tables(given: Sequence[str], base: Path) -> tuple[list[Table], list[str]]:
    listed = {path: data_files(path) for path in given}
    files = {file.location: file for found in listed.values() for file in found}
    return sort_into_tables(list(files.values()), base, named_by_user=frozenset(given) & files.keys())


def _nothing_found(tables: Sequence[Table], problems: Sequence[str]) -> list[str]:
    messages = [why_no_interactions(table) for table in tables] + list(problems)
    more = [f"… and {len(messages) - _MOST_LISTED} more"] if len(messages) > _MOST_LISTED else []
    return [
        "no table of interactions: no table has two columns that could be the ids of queries and candidates",
        _WANTED,
        "Found:",
        *(f"  {line}" for line in [*messages[:_MOST_LISTED], *more]),
    ]
