"""Formats user input for messages."""

from collections.abc import Collection
from itertools import islice

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
