"""Members of JSON objects by path, and MongoDB's typed values without their wrappers.

Imports only the standard library.
"""

import re
from collections.abc import Mapping
from typing import Any

_WRAPPED_NUMBER = re.compile(
    rb'\{\s*"\$number(?:Int|Long|Double|Decimal)"\s*:\s*'
    rb'"(-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|Infinity)|NaN)"\s*\}'
)
_WRAPPED_VALUE = re.compile(
    rb'\{\s*"\$(?:oid|date|uuid|symbol)"\s*:\s*("(?:[^"\\]|\\.)*"|-?[0-9]+)\s*\}',
)


class DuplicateMemberError(ValueError):
    """An object has two members with the same name or path."""


def unwrapped(line: bytes) -> bytes:
    """Replaces MongoDB's typed values in a record by the plain values.

    Example: `{"_id": {"$oid": "65a"}, "at": {"$date": {"$numberLong": "17"}}}` → `{"_id": "65a", "at": 17}`. Text is
    unchanged, because quotes inside text are escaped.
    """
    if b'"$' not in line:
        return line
    return _WRAPPED_VALUE.sub(rb"\1", _WRAPPED_NUMBER.sub(rb"\1", line))


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Flattens an object to members by path: `{"user": {"id": 7}, "n": 2}` → `{"user.id": 7, "n": 2}`.

    Raises:
        DuplicateMemberError: two members have the same path, as in `{"user": {"id": 7}, "user.id": 8}`.
    """
    found: dict[str, Any] = {}
    left = list(record.items())[::-1]
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            left += [(f"{name}.{key}", inner) for key, inner in value.items()][::-1]
        elif name in found:
            raise DuplicateMemberError(name)
        else:
            found[name] = value
    return found


def has(record: Mapping[str, Any], name: str) -> bool:
    """Whether an object has a member with a name or path."""
    first, dot, rest = name.partition(".")
    inner = record.get(first)
    return name in record or (bool(dot) and isinstance(inner, dict) and has(inner, rest))
