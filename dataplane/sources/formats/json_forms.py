"""Recognises from the beginning of a JSON file how it arranges its records. Imports only the standard library."""

import json
import re
from collections.abc import Collection
from enum import Enum
from typing import Any

from dataplane.errors import DataError
from dataplane.errors.messages import shown
from dataplane.sources.formats.json_values import has

BLANK = " \t\r\n"
MEND = "write one object per line, or a list of objects"
_BLANKS = re.compile(f"[{BLANK}]*")
_COLON = re.compile(f"[{BLANK}]*:[{BLANK}]*")
_COMMA = re.compile(f"[{BLANK}]*,")
_RECORDS = re.compile(rf"[{BLANK}]*:[{BLANK}]*\[[{BLANK}]*\{{")
_NEAR_THE_END = 1 << 16
_SHOWN = 60


class Form(Enum):
    """Arrangement of the records in a file."""

    LINES = "one on each line"
    LIST = "in a list"
    OBJECTS = "one after the other, over several lines or several on a line"
    MEMBER = "in a list that is a member of the file's only object"


def form_of(beginning: str, ids: Collection[str], name: str, *, is_all: bool) -> Form:
    """Recognises the form of a file.

    A file with a broken first line has the form `LINES`, so that only this line becomes a dead letter.

    Args:
        beginning: first characters of the file.
        ids: columns that every record has. They tell a record from an object that holds a list of records.
        name: name of the file in messages.
        is_all: whether `beginning` is the whole file.

    Raises:
        DataError: the file does not hold objects.
    """
    start = beginning.lstrip(BLANK)
    line, newline, others = start.partition("\n")
    if start.startswith("["):
        if start[1:].lstrip(BLANK)[:1] in ("{", "]", ""):
            return Form.LIST
        if not any(other.lstrip(BLANK).startswith("{") for other in others.split("\n")):
            raise DataError(f"{name} has lists instead of objects, such as {shown(line.strip(), _SHOWN)}; {MEND}")
    elif start.startswith("{"):
        return _form_of_objects(start, ids, is_all=is_all)
    if not newline and not is_all:
        raise DataError(
            f"{name} cannot be read as JSON: its first line, {shown(line.strip(), _SHOWN)}, does not end; {MEND}"
        )
    return Form.LINES


def _form_of_objects(start: str, ids: Collection[str], *, is_all: bool) -> Form:
    line, newline, others = start.partition("\n")
    value, end = _decoded(line)
    if value is not None:
        if line[end:].lstrip(BLANK + ",").startswith("{"):
            return Form.OBJECTS
        only = is_all and not others.strip(BLANK)
        return Form.MEMBER if only and holds_records(value, ids) else Form.LINES
    if not newline and not is_all:  # one long line: a record of very many columns, or an object that holds all records
        return Form.MEMBER if _begins_to_hold_records(line, ids) else Form.LINES
    value, end = _decoded(start)
    if value is not None:
        only = is_all and not start[end:].strip(BLANK)
        return Form.MEMBER if only and holds_records(value, ids) else Form.OBJECTS
    return Form.MEMBER if not is_all and end > len(start) - _NEAR_THE_END else Form.LINES


def holds_records(value: dict[str, Any], ids: Collection[str]) -> bool:
    """Whether an object is not a record, but holds a list of records."""
    if all(has(value, name) for name in ids):
        return False
    return any(isinstance(member, list) and member and isinstance(member[0], dict) for member in value.values())


def _begins_to_hold_records(text: str, ids: Collection[str]) -> bool:
    """Whether the beginning of an object has a list of objects before it has all ids."""
    decoder, at = json.JSONDecoder(), 1
    seen: dict[str, Any] = {}
    try:
        while not all(has(seen, name) for name in ids):
            key, at = decoder.raw_decode(text, _BLANKS.match(text, at).end())  # type: ignore[union-attr]
            if _RECORDS.match(text, at):
                return True
            seen[key], at = decoder.raw_decode(text, _COLON.match(text, at).end())  # type: ignore[union-attr]
            at = _COMMA.match(text, at).end()  # type: ignore[union-attr]
    except (AttributeError, TypeError, ValueError, RecursionError):  # broken, or the beginning ends here
        pass
    return False


def _decoded(text: str) -> tuple[dict[str, Any] | None, int]:
    """First object of a text and its end offset; None and the offset of the error if the text has none."""
    try:
        return json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return None, error.pos
    except (ValueError, RecursionError):  # too many digits or levels
        return None, 0
