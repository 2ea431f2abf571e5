"""Dates and numbers in local notation, rewritten as ISO 8601 and with a decimal point before anybody looks at them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_COMMA = r"^\s*-?([0-9]{1,3}([. \x{00A0}\x{202F}][0-9]{3})+|[0-9]+)(,[0-9]+)?\s*$"
_BETWEEN_THOUSANDS = r"[. \x{00A0}\x{202F}]"


def in_common_notation(
    batch: pa.RecordBatch, date_formats: Mapping[str, str], decimal_commas: Iterable[str]
) -> pa.RecordBatch:
    """Rewrites columns of text; values that are not written as was said stay as they are.

    Args:
        batch: columns of text.
        date_formats: how dates are written, by column.
        decimal_commas: columns of numbers with a decimal comma.
    """
    for name in batch.schema.names:
        if name in date_formats:
            batch = _replaced(batch, name, _iso(batch.column(name), date_formats[name]))
        elif name in decimal_commas:
            batch = _replaced(batch, name, _with_point(batch.column(name)))
    return batch


def parse_dates(texts: pa.StringArray, written: str) -> pa.Array:
    """Moments `timestamp[us]` out of texts; null where they are not written so, or no such day exists."""
    moments = pc.strptime(texts, format=written, unit="us", error_is_null=True)
    # C's strptime takes February 31st for March 3rd: only days after the end of a month can become a first to third.
    doubtful = np.flatnonzero(pc.fill_null(pc.less_equal(pc.day(moments), 3), False).to_numpy(zero_copy_only=False))
    if len(doubtful) == 0:
        return moments
    encoded = texts.take(pa.array(doubtful)).dictionary_encode()
    exists = pa.array([_exists(text, written) for text in encoded.dictionary.to_pylist()])
    wrong = np.zeros(len(texts), bool)
    wrong[doubtful] = ~exists.take(encoded.indices).to_numpy(zero_copy_only=False)
    return pc.if_else(pa.array(wrong), None, moments)


def _exists(text: str, written: str) -> bool:
    try:
        datetime.strptime(text.strip(), written)
    except ValueError:
        return False
    return True


def _iso(texts: pa.StringArray, written: str) -> pa.StringArray:
    return pc.coalesce(pc.strftime(parse_dates(pc.utf8_trim_whitespace(texts), written), "%Y-%m-%dT%H:%M:%S"), texts)


def _with_point(texts: pa.StringArray) -> pa.StringArray:
    plain = pc.replace_substring(pc.replace_substring_regex(texts, _BETWEEN_THOUSANDS, ""), ",", ".")
    return pc.if_else(pc.match_substring_regex(texts, _COMMA), plain, texts)


def _replaced(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.names.index(name), name, values)
