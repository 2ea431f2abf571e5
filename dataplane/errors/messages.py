"""Formats values of users, files and file systems for messages, all by one rule.

A long text loses its middle, because a path stands at its beginning and a reason at its end.
"""

import reprlib
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_LONGEST = 200
_LISTED = 40


def shown(text: str, limit: int = _LONGEST) -> str:
    """Takes the middle out of a long text and escapes characters that cannot be printed.

    Args:
        text: user input.
        limit: maximum number of characters shown.
    """
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def quoted(value: object) -> str:
    """Writes a value as Python does, strings in quotes, as short as `shown`, whatever its size, depth or type."""
    return shown(_REPR.repr(value))


def listed(names: Collection[str]) -> str:
    """The first 40 names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(islice(names, _LISTED)) + (f", … and {more:,} more" if more > 0 else "")


def first_problem(error: "ValidationError") -> str:
    """The first problem that pydantic found: the field's place, with dots, and what is wrong with it."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def _short_repr() -> reprlib.Repr:
    short = reprlib.Repr()
    short.maxlevel = 3
    short.maxstring = short.maxother = _LONGEST
    short.fillvalue = " … "
    return short


_REPR = _short_repr()
