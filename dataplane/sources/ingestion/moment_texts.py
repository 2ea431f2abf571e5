"""Parses columns of timestamps written as text: ISO 8601, its variants in databases, and configured date formats."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.date_formats import ISO, pattern_of
from dataplane.sources.ingestion.missing_texts import missing_texts

TIMESTAMP = pa.timestamp("us", tz="UTC")
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""First microsecond of the year 1 and last one of the year 9999, the range of Python's calendar."""

_PLAIN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
_PLAIN_ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
_DAY = 86_400
_MONTHS = pa.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_LATEST_ZONE = 18 * 3600
_ABBREVIATED_ZONE = r":[0-9]{2}(\.[0-9]+)?\s*\(?[A-Z]{3,5}\b"
_OWN_ZONE = r":[0-9]{2}(\.[0-9]+)?\s*\(?(UTC|GMT)\b"


def looks_like_moments(values: pa.StringArray) -> pa.Array:
    """Which texts have the form of a timestamp, even if the day does not exist."""
    return pc.match_substring_regex(values, ISO)


def name_a_shared_zone(values: pa.StringArray) -> pa.Array:
    """Which texts have the abbreviation of a zone after the time, such as `CST`, which several countries use."""
    return pc.and_not(pc.match_substring_regex(values, _ABBREVIATED_ZONE), pc.match_substring_regex(values, _OWN_ZONE))


def parse_moments(values: pa.StringArray) -> tuple[pa.Array, pa.Array]:
    """Parses ISO 8601 and its variants in databases (see `date_formats.ISO`); times without a zone are UTC.

    Returns:
        Which values are missing (bool), and `timestamp[us, UTC]` values, null where missing or unreadable.
    """
    moments = _plain(values)
    if moments.null_count > values.null_count:
        unread = pc.and_(values.is_valid(), moments.is_null())
        moments = pc.replace_with_mask(moments, unread, _parse(values.filter(unread), ISO))
    return missing_texts(values, moments), moments


def parse_dates(values: pa.StringArray, written: str) -> tuple[pa.Array, pa.Array]:
    """Parses texts in a format with the letters of `strftime`; ISO 8601 is accepted as well.

    Example with `%d.%m.%Y`: `22.11.2026` → 2026-11-22, `2026-11-22` → 2026-11-22, `31.02.2026` → null.

    Returns:
        See `parse_moments`.
    """
    moments = _parse(values, pattern_of(written))
    if moments.null_count > values.null_count:
        unread = pc.and_(values.is_valid(), moments.is_null())
        moments = pc.replace_with_mask(moments, unread, parse_moments(values.filter(unread))[1])
    return missing_texts(values, moments), moments


def in_calendar(moments: pa.Array) -> pa.Array:
    """`timestamp[us, UTC]` values, null where the year lies outside 1 to 9999."""
    micros = moments.cast(pa.int64())
    ends = pc.min_max(micros).as_py()
    if ends["min"] is None or (ends["min"] >= FIRST and ends["max"] <= LAST):
        return moments
    return pc.if_else(pc.and_(pc.greater_equal(micros, FIRST), pc.less_equal(micros, LAST)), moments, None)


def _plain(values: pa.StringArray) -> pa.Array:
    """Texts that Arrow parses itself, which is fastest; all null if one of these days does not exist."""
    shaped = pc.if_else(pc.match_substring_regex(values, _PLAIN), values, None)
    # Arrow reads ten-character dates and dates with a time; only the latter may have a zone.
    zoned = pc.and_(pc.match_substring_regex(shaped, _PLAIN_ZONE), pc.greater(pc.utf8_length(shaped), 10))
    with_zone = pc.if_else(zoned, shaped, None)
    without_zone = pc.if_else(zoned, None, shaped)
    try:
        local = without_zone.cast(pa.timestamp("us")).cast(TIMESTAMP)
        return in_calendar(pc.coalesce(with_zone.cast(TIMESTAMP), local))
    except pa.ArrowInvalid:  # a value is a date such as February 31st
        return pa.nulls(len(values), TIMESTAMP)


def _parse(values: pa.StringArray, pattern: str) -> pa.Array:
    """Parses texts by a pattern with groups named as in `strftime`; null for other texts and days that do not exist."""
    found = pc.extract_regex(values, pattern=pattern)
    fields = dict(zip((field.name for field in found.type), found.flatten(), strict=True))
    valid = found.is_valid().to_numpy(zero_copy_only=False)
    days, exists = _days(fields)
    seconds, within = _seconds_of_day(fields)
    instant = days * _DAY + seconds - _zones(fields.get("z"), len(values))
    leap = _number(fields, "S") == 60
    valid = valid & exists & within & (~leap | (instant % _DAY == 0))  # POSIX counts 23:59:60 as 00:00:00
    micros = instant * 1_000_000 + _number({"f": _six_digits(fields["f"])} if "f" in fields else {}, "f")
    valid &= (micros >= FIRST) & (micros <= LAST)
    moments = pa.array(np.where(valid, micros, 0), mask=~valid).cast(TIMESTAMP)
    return _from_local(moments, fields["Z"]) if "Z" in fields else moments


def _from_local(moments: pa.Array, zones: pa.Array) -> pa.Array:
    """Moments whose text names a zone, read as that zone's clock; null where there is no such zone.

    An hour that a clock shows twice is the first of the two; of one that it skips there is only the end.
    """
    local = moments.cast(pa.int64()).cast(pa.timestamp("us"))
    for zone in pc.unique(zones.filter(moments.is_valid())).drop_null().to_pylist():
        if "/" not in zone:  # UTC
            continue
        try:
            there = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest").cast(TIMESTAMP)
        except pa.ArrowInvalid:
            there = None
        moments = pc.if_else(pc.fill_null(pc.equal(zones, zone), False), there, moments)
    return in_calendar(moments)


def _number(fields: dict[str, pa.Array], name: str, absent: int = 0) -> np.ndarray:
    """Number of a group's digits; `absent` if the pattern or the text lacks the group."""
    if name not in fields:
        return np.array(absent, np.int64)
    digits = fields[name]
    if digits.null_count or not pc.min(pc.binary_length(digits)).as_py():
        digits = pc.fill_null(digits, "")
        digits = pc.if_else(pc.equal(digits, ""), str(absent), digits)
    numbers: np.ndarray = digits.cast(pa.int64()).to_numpy()
    return numbers


def _six_digits(fraction: pa.Array) -> pa.Array:
    return pc.utf8_rpad(pc.utf8_slice_codeunits(fraction, 0, 6), 6, "0")


def _days(fields: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970, and which of these days exist."""
    year = _number(fields, "Y")
    if "y" in fields:
        year = _number(fields, "y")
        year = year + np.where(year < 69, 2000, 1900)  # as in POSIX
    if "j" in fields:
        return _from(_first_of((year - 1970) * 12), _first_of((year - 1969) * 12), _number(fields, "j"))
    month = _month_of_name(fields["b"]) if "b" in fields else _number(fields, "m")
    months = (year - 1970) * 12 + month - 1
    days, exists = _from(_first_of(months), _first_of(months + 1), _number(fields, "d"))
    return days, exists & (month >= 1) & (month <= 12)


def _from(first: np.ndarray, following: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    days = first + number - 1
    return days, (number >= 1) & (days < following)


def _first_of(months: np.ndarray) -> np.ndarray:
    days: np.ndarray = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    return days


def _month_of_name(names: pa.Array) -> np.ndarray:
    starts = pc.utf8_lower(pc.utf8_slice_codeunits(names, 0, 3))
    months: np.ndarray = pc.fill_null(pc.index_in(starts, _MONTHS), 0).to_numpy().astype(np.int64) + 1
    return months


def _seconds_of_day(fields: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since midnight, and which are a valid time of day; second 60 is valid."""
    hour, minute, second = _number(fields, "H"), _number(fields, "M"), _number(fields, "S")
    valid = (hour < 24) & (minute < 60) & (second <= 60)
    if "p" in fields:
        afternoon = pc.fill_null(pc.match_substring_regex(fields["p"], "^[pP]"), False).to_numpy(zero_copy_only=False)
        if "I" in fields:
            named = _number(fields, "I", 12)
            valid = valid & (named >= 1) & (named <= 12)
            hour = named % 12 + 12 * afternoon
        else:
            valid = valid & ((hour >= 12) == afternoon)  # 13:05 PM
    return (hour * 60 + minute) * 60 + second, valid


def _zones(zones: pa.Array | None, rows: int) -> np.ndarray:
    """Offset from UTC in seconds; invalid offsets move the timestamp out of the calendar."""
    if zones is None:
        return np.zeros(rows, np.int64)
    encoded = pc.fill_null(zones, "").dictionary_encode()
    seconds = np.array([_offset(zone) for zone in encoded.dictionary.to_pylist()], np.int64)
    result: np.ndarray = seconds[encoded.indices.to_numpy()]
    return result


def _offset(zone: str) -> int:
    if not zone or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    parts: Sequence[int] = [int(digits[start : start + 2]) for start in range(0, len(digits), 2)]
    seconds = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if seconds > _LATEST_ZONE or any(part >= 60 for part in parts[1:]):
        return LAST // 1_000_000 * 3  # moves the timestamp out of the calendar
    return -seconds if zone[0] == "-" else seconds
