"""What a look at the environment found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        found: what was found.
        fix: what to do about it; "" if nothing has to be done.
    """

    name: str
    found: str
    fix: str = ""
