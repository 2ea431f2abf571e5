"""Formats user input for messages."""

from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_LONGEST = 200
_LISTED = 40


def shown(text: str, limit: int = _LONGEST) -> str:
    """Shortens a text and escapes characters that cannot be printed.

    Args:
        text: user input.
        limit: maximum number of characters shown.
    """
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut)


def listed(names: Collection[str]) -> str:
    """The first 40 names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(islice(names, _LISTED)) + (f", … and {more:,} more" if more > 0 else "")


def first_problem(error: "ValidationError") -> str:
    """The first problem that pydantic found: the field's place, with dots, and what is wrong with it."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    return f"{place}: {problem['msg']}" if place else problem["msg"]
