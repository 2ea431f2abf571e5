"""Normalises ids to detect spelling differences: blanks, quotes, a decimal part, leading zeros, case, Unicode.

Ids keep their spelling everywhere. The plain form only explains why the ids of two tables do not match.
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

BLANKS = "blanks around it"
QUOTES = "quotes around it"
DECIMALS = "a decimal part"
ZEROS = "leading zeros"
CASE = "upper or lower case"
UNICODE = "another Unicode form"

_DECIMALS = r"^(-?\d+)\.0*$"
_ZEROS = r"^0+(.)"


def plain_forms(ids: pa.Array) -> pa.Array:
    """The plain form of each id, which is equal for ids that differ only in known ways; "007 " becomes "7".

    Args:
        ids: strings without nulls.
    """
    plain = ids.cast(pa.large_string())
    for step in _STEPS.values():
        plain = step(plain)
    return plain


def differences(one: str, other: str) -> list[str]:
    """The ways in which two ids with the same plain form differ, such as ["leading zeros"]."""
    found, pair = [], pa.array([one, other], pa.large_string())
    for name, step in _STEPS.items():
        made = step(pair)
        # A step matters if it makes the two equal or changes only one of them.
        if (made[0] == pair[0]) != (made[1] == pair[1]) or (made[0] == made[1]) != (pair[0] == pair[1]):
            found.append(name)
        pair = made
    return found


def _normalised(ids: pa.Array) -> pa.Array:
    return pc.utf8_normalize(ids, form="NFKC")


def _without_blanks(ids: pa.Array) -> pa.Array:
    return pc.utf8_trim(pc.utf8_trim_whitespace(ids), characters="\ufeff\u200b\0")


def _without_quotes(ids: pa.Array) -> pa.Array:
    return _without_blanks(pc.utf8_trim(ids, characters="\"'`"))


def _without_decimals(ids: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(ids, pattern=_DECIMALS, replacement=r"\1")


def _without_zeros(ids: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(ids, pattern=_ZEROS, replacement=r"\1")


_STEPS: dict[str, Callable[[pa.Array], pa.Array]] = {
    BLANKS: _without_blanks,
    QUOTES: _without_quotes,
    UNICODE: _normalised,
    DECIMALS: _without_decimals,
    ZEROS: _without_zeros,
    CASE: pc.utf8_lower,
}
