"""Finds the columns of interactions for time, order, weight and split."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow.compute as pc

from pipeline.drafting.names import Concept, concepts, words
from pipeline.drafting.profile import Column, short

_FEW_RATINGS = 11
_MOST_MISSING = 0.5
_SPLITS = {"train", "validation", "test"}
_NEVER_OF_AN_EVENT = {"birth", "birthday", "birthdate", "dob", "geburt", "geburtsdatum", "naissance", "nacimiento",
                      "release", "released", "expiry", "expires", "expired"}  # fmt: skip


@dataclass(frozen=True)
class EventOrder:
    """The columns that order the events.

    Attributes:
        time: column of times.
        order: column of an order, if there is no time.
        remarks: explanations of these choices, and of columns that were left out despite their names.
    """

    time: Column | None
    order: Column | None
    remarks: tuple[str, ...]


def find_time(left: Sequence[Column], *, has_header: bool) -> EventOrder:
    """Finds the column of times, or else of an order.

    Args:
        left: columns without a role.
        has_header: whether the column names have a meaning.
    """
    named = {column.name: concepts(column.name) if has_header else frozenset[Concept]() for column in left}
    times = [column for column in left if _is_time_of_event(column, named[column.name])]

    def fitness(column: Column) -> tuple[bool, bool, int, bool]:
        said = named[column.name]
        # Of two time columns the finer one is better: a day orders less than a second.
        return "other_time" not in said, "time" in said, column.distinct, column.moments.typed

    time = max(times, key=fitness, default=None)
    remarks = [] if time is None else [_why_time(time, named[time.name])]
    remarks += [f"{short(column.name)[1:-1]} also holds times" for column in times if column is not time]
    others = [column for column in left if "time" in named[column.name] and column not in times]
    relative = next((column for column in others if _orders(column)), None) if time is None else None
    if relative is not None:
        remarks.append(f"took {short(relative.name)[1:-1]} as order: {relative.examples()} are not dates")
    remarks += [_why_no_time(c) for c in others if c is not relative and "other_time" not in named[c.name]]
    if time is not None or relative is not None:
        return EventOrder(time, relative, tuple(remarks))
    ordinal = (c for c in left if "order" in named[c.name] and not named[c.name] & {"key", "attribute"})
    return EventOrder(None, next((column for column in ordinal if _orders(column)), None), tuple(remarks))


def says_split(column: Column) -> bool:
    """Whether a column assigns every row to train, validation or test."""
    if column.kind != "string" or column.missing or column.distinct > len(_SPLITS):
        return False
    values = set(pc.unique(column.texts()).to_pylist())
    return {"train", "test"} <= values <= _SPLITS


def find_weight(left: Sequence[Column], *, has_header: bool) -> tuple[Column | None, list[str]]:
    """Finds the column of ratings or similar weights; returns it with remarks for comments.

    Quantities, prices and channels do not count: how much somebody bought does not say how much it was liked.
    """
    remarks: list[str] = []
    for column in left:
        named = concepts(column.name) if has_header else frozenset[Concept]()
        if not column.is_number or column.distinct < 2 or "attribute" in named:
            continue
        if "weight" in named:
            problem = _why_no_weight(column)
            if not problem:
                return column, remarks
            remarks.append(f"{column.name}: left out as weight; {problem}")
    unnamed = [column for column in left if not has_header or not concepts(column.name)]
    found = next((column for column in unnamed if _looks_like_ratings(column, has_header)), None)
    if found is not None:
        remarks.append(f"took {found.name} as weight: its few distinct numbers ({found.examples()}) look like ratings")
    return found, remarks


def _is_time_of_event(column: Column, named: frozenset[Concept]) -> bool:
    if not (column.moments.is_time or (column.moments.is_possible and "time" in named)):
        return False
    if set(words(column.name)) & _NEVER_OF_AN_EVENT or column.missing_share > _MOST_MISSING or column.distinct < 2:
        return False
    return column.moments.typed or "time" in named or not named & {"attribute", "key"}


def _why_time(column: Column, named: frozenset[Concept]) -> str:
    moments = column.moments
    first, last = (datetime.fromtimestamp((at or 0) // 1_000_000, UTC).date() for at in (moments.first, moments.last))
    reason = "by its name" if "time" in named else "by its values"
    return f"took {short(column.name)[1:-1]} as timestamp: {reason}; nearly all times are from {first} to {last}"


def _orders(column: Column) -> bool:
    numbers = column.is_number and column.missing_share <= 0.01 and column.distinct > 1
    return bool(numbers and pc.all(pc.is_finite(column.numbers())).as_py())


def _why_no_time(column: Column) -> str:
    name = f"{short(column.name)[1:-1]}: left out as timestamp"
    if column.present == 0:
        return f"{name}; it has no values"
    if column.missing_share > _MOST_MISSING:
        return f"{name}; {column.missing_share:.0%} of the rows have no value"
    moments = column.moments
    bad = moments.bad_values if len(moments.bad_values) else column.texts()
    if len(moments.bad_values) and len(moments.bad_values) < column.present:
        return f"{name}; {moments.bad:.0%} of its values cannot be read, such as {column.examples(bad)}"
    message = f"{name}; its values are not times between 1970 and 2100, such as {column.examples(bad)}"
    return f"{message}; if they are times, give their format in date_formats" if column.is_text else message


def _why_no_weight(column: Column) -> str:
    numbers = column.numbers()
    if not pc.all(pc.is_finite(numbers)).as_py():
        return "not all of its values are numbers"
    if pc.min(numbers).as_py() < 0:
        return f"some of its values are negative, such as {pc.min(numbers).as_py():g}"
    if column.missing_share > 0.1:
        return f"{column.missing_share:.0%} of the rows have no value"
    return ""


def _looks_like_ratings(column: Column, has_header: bool) -> bool:
    """Whether it has few small numbers, whole or half, up to at least 3; under other names, on a usual rating scale."""
    if not column.is_number or not 2 <= column.distinct <= _FEW_RATINGS or _why_no_weight(column):
        return False
    numbers = np.unique(column.numbers().to_numpy(zero_copy_only=False))
    small = 3 <= numbers.max() <= 10 and bool((numbers * 2 == np.floor(numbers * 2)).all())
    usual = len(numbers) >= 3 and numbers.max() in (5, 10) and numbers.min() in (0, 0.5, 1)
    return small and (usual or not has_header)
