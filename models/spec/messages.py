"""How what users gave is repeated in messages."""

from collections.abc import Collection
from itertools import islice

_LONGEST = 200
_LISTED = 40


def shown(text: str, limit: int = _LONGEST) -> str:
    """A text cut to a sane length, with what cannot be printed escaped.

    Args:
        text: what somebody wrote.
        limit: characters of it that are shown.
    """
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut)


def listed(names: Collection[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(islice(names, _LISTED)) + (f", … and {more:,} more" if more > 0 else "")
