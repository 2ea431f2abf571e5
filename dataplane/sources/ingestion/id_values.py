"""Converts columns of text or numbers to ids: text unchanged, numbers in decimal form."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.column_types import is_text

NOT_WHOLE = "is not a whole number"
"""Reason to reject ids with a fraction, and floats too large to differ from their neighbours."""
_DIGITS = pa.decimal256(76, 0)
_WITH_ZEROS = r"^([+-]?[0-9]+)\.0*$"
_WITH_FRACTION = r"^[+-]?([0-9]+\.[0-9]*|[0-9]*\.[0-9]+|[0-9]+)([eE][+-]?[0-9]+)?$"
_WHOLE = r"^[+-]?[0-9]+$"
_MOST = float(2**53)  # larger floats skip whole numbers


def ids_of(values: pa.Array, *, whole_numbers: bool) -> tuple[pa.StringArray, pa.BooleanArray]:
    """Converts a source column to ids.

    Example with `whole_numbers`: `"12346.0"` → `"12346"`, `"a7"` → `"a7"`, `"7.5"` → null and not whole.

    Args:
        values: texts, integers, decimal numbers, and floats if `whole_numbers`.
        whole_numbers: whether `12346.0` means `12346`, also in text.

    Returns:
        The ids, null where missing or not whole, and which values are numbers that are not whole (bool).
    """
    if pa.types.is_decimal(values.type):
        ids = _decimal(values)
    elif pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
        values = pc.if_else(pc.is_nan(values), None, values)
        ids = _float(values)
    elif whole_numbers and is_text(values.type):
        ids = _text(values.cast(pa.string()))
    else:
        ids = values.cast(pa.string())
    return ids, pc.and_(ids.is_null(), values.is_valid())


def _decimal(values: pa.Array) -> pa.StringArray:
    try:
        return values.cast(_DIGITS).cast(pa.string())
    except pa.ArrowInvalid:  # some values have a fraction
        return pa.array([_whole(value) for value in values.to_pylist()], pa.string())


def _whole(value: Decimal | None) -> str | None:
    return None if value is None or value != value.to_integral_value() else f"{value:.0f}"


def _float(values: pa.DoubleArray) -> pa.StringArray:
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), _MOST))
    return pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string())


def _text(values: pa.StringArray) -> pa.StringArray:
    ids = pc.replace_substring_regex(values, _WITH_ZEROS, r"\1")
    fraction = pc.and_(pc.match_substring_regex(ids, _WITH_FRACTION), pc.invert(pc.match_substring_regex(ids, _WHOLE)))
    return pc.if_else(fraction, None, ids)
