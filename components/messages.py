"""How what users gave is repeated in messages."""

_LONGEST = 200


def shown(text: str, limit: int = _LONGEST) -> str:
    """A text cut to a sane length, with what cannot be printed escaped.

    Args:
        text: what somebody wrote.
        limit: characters of it that are shown.
    """
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut)
