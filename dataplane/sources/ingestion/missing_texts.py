"""Texts that mean a missing value."""

import pyarrow as pa
import pyarrow.compute as pc

MARKERS = (
    "", "-", "--", ".", "?", "\\N", "NULL", "(null)", "None", "nil", "NA", "N/A", "#N/A", "<NA>", "NaN", "NaT",
)  # fmt: skip
"""Missing values in columns of numbers, flags and timestamps, in upper or lower case, with or without blanks around
them. Columns of text keep them as text: NA is also Namibia."""

_MARKERS = pa.array([marker.lower() for marker in MARKERS])


def is_marker(values: pa.StringArray) -> pa.Array:
    """Which texts are one of `MARKERS`."""
    return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(values)), _MARKERS)


def missing_texts(values: pa.StringArray, read: pa.Array) -> pa.Array:
    """Which values are missing: null, or unreadable and one of `MARKERS`.

    Example: values `1`, `NA`, `x` read as 1, null, null → false, true, false.

    Args:
        values: texts.
        read: parsed values, null where a text is unreadable.
    """
    missing = values.is_null()
    if read.null_count == values.null_count:
        return missing
    unread = pc.and_(read.is_null(), values.is_valid())
    return pc.replace_with_mask(missing, unread, is_marker(values.filter(unread)))
