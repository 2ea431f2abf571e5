"""Parses columns of numbers written as text, and tells integers from floats and codes."""

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.missing_texts import missing_texts

INTEGER = r"^-?(0|[1-9][0-9]{0,18})$"  # no leading zero: "007" is a name, not a number
_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_NOT_FINITE = r"^[+-]?([nN][aA][nN]|[iI]nf(inity)?)$"
_LARGEST = str(2**63 - 1)
_SMALLEST = str(-(2**63))
_LONGEST = len(_LARGEST)
_CODE = r"^-?(0[0-9]|[0-9]{19,}$)"  # a float would lose digits


def are_integers(values: pa.StringArray) -> bool:
    """Whether all texts are integers that fit into 64 bits."""
    if not pc.all(pc.match_substring_regex(values, INTEGER)).as_py():
        return False
    if (pc.max(pc.binary_length(values)).as_py() or 0) < _LONGEST:
        return True
    try:
        values.cast(pa.int64())
    except pa.ArrowInvalid:  # 19 digits may be too many
        return False
    return True


def look_like_numbers(values: pa.StringArray) -> pa.Array:
    """Which texts are numbers, including NaN and infinity."""
    return pc.or_(pc.match_substring_regex(values, _NUMBER), pc.match_substring_regex(values, _NOT_FINITE))


def hold_codes(values: pa.StringArray) -> bool:
    """Whether a text has leading zeros or more than 18 digits, which a float would lose."""
    return bool(pc.any(pc.match_substring_regex(values, _CODE)).as_py())


def plain_numbers(values: pa.StringArray) -> pa.Array:
    """Strips blanks and a plus sign from numbers; null for texts that are not numbers.

    Example: `7.5` → `7.5`, ` +3 ` → `3`, `n/a` → null.
    """
    valid = look_like_numbers(values)
    plain = pc.if_else(valid, values, None)
    if plain.null_count == values.null_count:
        return plain
    unread = pc.and_(values.is_valid(), plain.is_null())
    trimmed = pc.utf8_trim_whitespace(values.filter(unread))
    trimmed = pc.replace_substring_regex(trimmed, r"^\+([0-9.])", r"\1")
    return pc.replace_with_mask(plain, unread, pc.if_else(look_like_numbers(trimmed), trimmed, None))


def parse_numbers(values: pa.StringArray, kind: str = "float64") -> tuple[pa.Array, pa.Array]:
    """Parses numbers.

    Args:
        values: texts.
        kind: `int64` or `float64`.

    Returns:
        Which values are missing (bool), and the numbers, null where missing or not a number of this kind.
    """
    plain = plain_numbers(values)
    missing = missing_texts(values, plain)
    if kind == "float64":
        return missing, plain.cast(pa.float64())
    whole = pc.if_else(pc.match_substring_regex(plain, r"^-?0*[0-9]{1,19}$"), plain, None)
    digits = pc.utf8_ltrim(whole, "-0")
    too_large = pc.and_(pc.equal(pc.utf8_length(digits), _LONGEST), pc.greater(digits, _LARGEST))
    too_large = pc.and_(too_large, pc.not_equal(whole, _SMALLEST))
    return missing, pc.if_else(too_large, None, whole).cast(pa.int64())


def kind_of_numbers(values: pa.StringArray) -> str:
    """`int64` if all numbers among the texts are integers, else `float64`; `null` if no text is a number."""
    numbers = plain_numbers(values).drop_null()
    if len(numbers) == 0:
        return "null"
    return "int64" if are_integers(numbers) else "float64"
