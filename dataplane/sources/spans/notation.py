"""How spans are written in paths: as numbers, dates or hours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

SpanKind: TypeAlias = Literal["number", "date", "hour"]

EXAMPLES = "2026-11-21, 20261121, 2026-11-21T05, 2026-11-21-05 or a number"
"""Every notation, for messages."""

_FORMS: tuple[tuple[SpanKind, str], ...] = (
    ("hour", "%Y-%m-%dT%H"),
    ("hour", "%Y-%m-%d-%H"),
    ("date", "%Y-%m-%d"),
    ("date", "%Y%m%d"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"date": timedelta(days=1), "hour": timedelta(hours=1)}


@dataclass(frozen=True)
class Notation:
    """One way to write spans. Consecutive spans have consecutive positions.

    Attributes:
        kind: kind of span.
        form: format of dates and hours in the letters of `strftime`; empty for numbers.
        width: least number of digits of numbers, with leading zeros.
    """

    kind: SpanKind
    form: str = ""
    width: int = 0

    def position(self, text: str) -> int | None:
        """Position of a span: the number, or the days or hours since 1970; None if the text is not in this notation."""
        if self.kind == "number":
            found = int(text) if text.isascii() and text.isdecimal() else None
        else:
            found = _moment(text, self.form, _UNITS[self.kind])
        return found if found is not None and self.text(found) == text else None

    def text(self, position: int) -> str:
        """The span at a position."""
        if self.kind == "number":
            return f"{position:0{self.width}d}"
        return f"{_EPOCH + position * _UNITS[self.kind]:{self.form}}"


def notation_of(text: str, kind: SpanKind | None = None) -> Notation | None:
    """The notation of a span; None if there is none.

    Args:
        text: the span; eight digits that are a date are a date.
        kind: allows only notations of this kind.
    """
    dated = [Notation(each, form) for each, form in _FORMS]
    for notation in [*dated, Notation("number", width=len(text) if text.startswith("0") else 0)]:
        if kind in (None, notation.kind) and notation.position(text) is not None:
            return notation
    return None


def common_notation(texts: Iterable[str], kind: SpanKind | None = None) -> tuple[Notation | None, list[str]]:
    """The notation of most texts, and the texts that are in another or in none.

    Args:
        texts: names that stand in the place of a span.
        kind: allows only notations of this kind.
    """
    names = list(texts)
    found = [notation for name in names if (notation := notation_of(name, kind)) is not None]
    if not found:
        return None, names
    # Of equally frequent ones the padded, because 10 is also a number of two digits.
    best = max(dict.fromkeys(found), key=lambda it: (sum(it.position(name) is not None for name in names), it.width))
    return best, [name for name in names if best.position(name) is None]


def _moment(text: str, form: str, unit: timedelta) -> int | None:
    try:
        return (datetime.strptime(text, form).replace(tzinfo=UTC) - _EPOCH) // unit
    except ValueError:
        return None
