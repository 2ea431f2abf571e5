"""Reads the columns of a JSON file from its first records. Imports only the standard library."""

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from dataplane.errors import DataError
from dataplane.sources.formats.json_records import record_blocks
from dataplane.sources.formats.opening import UNREADABLE, open_bytes, unreadable

_BLOCK = 1 << 16
_RECORDS = 20


def json_header(location: str, ids: Collection[str]) -> list[str] | None:
    """Names and paths in the first records; None if records differ, because empty members may be omitted.

    Args:
        location: path or URI of the file.
        ids: columns that every record has.

    Raises:
        DataError: the file is empty, cannot be read, or holds no objects.
    """
    try:
        with open_bytes(location) as stream:
            blocks = record_blocks(stream, location, ids, block=_BLOCK)
            lines = list(islice((line for block in blocks for line in block), _RECORDS))
    except UnicodeError as error:
        raise DataError(f"{location} begins as text, but is not: {error}") from error
    except UNREADABLE as error:
        raise unreadable(location, error) from error
    if not lines:
        raise DataError(f"{location} is empty")
    records = [value for line in lines if isinstance(value := _loaded(line), dict)]
    if not records:
        shown = lines[0][:60].decode(errors="replace").strip()
        raise DataError(f"{location} cannot be read as JSON: its first records, such as {shown}, are not objects")
    return _common_names(records)


def _common_names(records: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """Names and paths of the members of all objects; None if the objects have different members.

    An inner object with different members in different records is listed under its own name.
    """
    if any(record.keys() != records[0].keys() for record in records):
        return None
    found: list[str] = []
    for name in records[0]:
        inner = [record[name] for record in records if isinstance(record[name], dict)]
        paths = _common_names(inner) if inner else None
        found += [name] if paths is None else [f"{name}.{path}" for path in paths]
    return found


def _loaded(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
