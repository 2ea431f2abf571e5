"""Ids of executions and runs: they sort in the order in which they were given, whatever the clock says."""

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
    """Whether a name is an id, or that of a file which is called after one."""
    return _ID.match(name) is not None


def new_id(after: Iterable[str] = ()) -> str:
    """An id that sorts by time: `20260131T235959.123456Z-1a2b`.

    Args:
        after: names that begin with ids, all of which it sorts after, also if the clock was set back.
    """
    now = datetime.now(UTC)
    moment = max([now, *(taken + timedelta(microseconds=1) for taken in _moments(after))])
    return f"{moment:{_TIME}}Z-{secrets.token_hex(2)}"


def _moments(names: Iterable[str]) -> Iterable[datetime]:
    for name in names:
        if match := _ID.match(name):
            with suppress(ValueError):  # digits that are no date
                yield datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
