"""Ids of executions and runs, which sort in the order of their creation even if the clock is set back."""

import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

_ID = re.compile(r"([0-8]\d{7}T\d{6}\.\d{6})Z-[0-9a-f]{4}")
_TIME = "%Y%m%dT%H%M%S.%f"


def is_id(name: str) -> bool:
    """Whether a name is an id."""
    return _ID.fullmatch(name) is not None


def begins_with_id(name: str) -> bool:
    """Whether a name is an id or begins with one, as a log file's name does."""
    return _ID.match(name) is not None


def new_id(after: Iterable[str] = ()) -> str:
    """An id that sorts by time: `20260131T235959.123456Z-1a2b`.

    Args:
        after: names that begin with ids; the new id sorts after all of them.
    """
    now = datetime.now(UTC)
    moment = max([now, *(taken + timedelta(microseconds=1) for taken in _moments(after))])
    return f"{moment:{_TIME}}Z-{secrets.token_hex(2)}"


def _moments(names: Iterable[str]) -> Iterable[datetime]:
    for name in names:
        if match := _ID.match(name):
            with suppress(ValueError):  # digits that are not a date
                yield datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
