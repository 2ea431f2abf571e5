"""What a look at the environment found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        found: what was found.
        fix: what to do about it; "" if nothing has to be done.
        is_there: False for something optional that is missing.
    """

    name: str
    found: str
    fix: str = ""
    is_there: bool = True

    @property
    def state(self) -> Literal["sound", "absent", "wrong"]:
        """Whether something has to be done."""
        if self.fix:
            return "wrong"
        return "sound" if self.is_there else "absent"
