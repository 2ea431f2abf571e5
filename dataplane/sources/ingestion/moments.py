"""Converts numbers or texts to timestamps in UTC, and guesses the unit of numbers if none is set."""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.column_types import is_text, name_of, typed_moments
from dataplane.sources.ingestion.moment_texts import TIMESTAMP, parse_dates, parse_moments
from dataplane.sources.ingestion.number_texts import parse_numbers
from dataplane.sources.value_config import TimeUnit

_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_FIRST, _LAST = -62_135_596_800e6, 253_402_300_799e6  # years 1 to 9999
_SAMPLED_ROWS = 100_000


def to_moments(values: pa.Array, unit: TimeUnit | None, written: str | None = None) -> tuple[pa.Array, pa.Array]:
    """Converts a source column to timestamps.

    Example with `unit="s"`: `0` → 1970-01-01 00:00, `"86400"` → 1970-01-02 00:00, `"x"` → null, not missing.

    Args:
        values: dates or timestamps, texts or numbers.
        unit: unit of numbers since 1970 UTC, `iso` or `yyyymmdd`; ignored if values have a date type.
        written: format of the texts in the letters of `strftime`; replaces `unit`.

    Returns:
        Which values are missing (bool), and `timestamp[us, UTC]` values, null where missing or unreadable.
    """
    if name_of(values.type) == "timestamp":
        return values.is_null(), typed_moments(values)
    if name_of(values.type) == "null":
        return values.is_null(), pa.nulls(len(values), TIMESTAMP)
    if written is not None:
        return parse_dates(values.cast(pa.string()), written)
    if unit == "iso" or unit is None:
        return parse_moments(values.cast(pa.string()))
    if unit == "yyyymmdd":
        return parse_dates(values.cast(pa.string()), "%Y%m%d")
    if unit == "ns" and not pa.types.is_floating(values.type):  # a float would lose the last digits
        missing, whole = parse_numbers(values.cast(pa.string()), "int64")
        return missing, typed_moments(whole.cast(pa.timestamp("ns")))
    missing, numbers = numbers_of(values)
    micros = np.rint(numbers.to_numpy(zero_copy_only=False) * _MICROSECONDS[unit])
    usable = (micros >= _FIRST) & (micros <= _LAST)
    whole = np.where(usable, micros, 0).astype(np.int64)
    return missing, pa.array(whole, mask=~usable).cast(TIMESTAMP)


def numbers_of(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Converts a source column of numbers or texts to float64.

    Returns:
        Which values are missing or NaN (bool), and the numbers, null where missing or unreadable.
    """
    if is_text(values.type):
        missing, numbers = parse_numbers(values.cast(pa.string()))
    else:
        missing, numbers = values.is_null(), values.cast(pa.float64(), safe=False)
    return pc.or_(missing, pc.fill_null(pc.is_nan(numbers), False)), numbers


def unit_votes(values: pa.Array) -> dict[str, int]:
    """Counts the values that look like timestamps in each unit, by form, or by size if they are numbers.

    Example: `1500000000`, `1600000000`, `20201122` → two votes for `s`, one for `yyyymmdd`.
    """
    values = values.slice(0, _SAMPLED_ROWS).drop_null()
    if name_of(values.type) == "timestamp":
        return {"iso": len(values)}
    if len(values) == 0 or name_of(values.type) not in ("string", "int64", "float64"):
        return {}
    votes: dict[str, int] = {}
    if name_of(values.type) == "string":
        votes["iso"] = pc.count(parse_moments(values.cast(pa.string()))[1]).as_py()
    sizes = np.abs(numbers_of(values)[1].drop_null().to_numpy(zero_copy_only=False))
    sizes = sizes[np.isfinite(sizes)]
    votes["yyyymmdd"] = int(_looks_like_date(sizes).sum())  # as seconds, all would lie in August 1970
    votes["s"] = int((sizes < 1e11).sum()) - votes["yyyymmdd"]  # 1e11: in seconds the year 5138, in milliseconds 1973
    votes["ms"] = int(((sizes >= 1e11) & (sizes < 1e14)).sum())
    votes["us"] = int(((sizes >= 1e14) & (sizes < 1e17)).sum())
    votes["ns"] = int((sizes >= 1e17).sum())
    return votes


def _looks_like_date(sizes: np.ndarray) -> np.ndarray:
    month, day = sizes // 100 % 100, sizes % 100
    dates: np.ndarray = (sizes >= 19_000_101) & (sizes <= 21_001_231) & (sizes == np.floor(sizes))
    dates &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return dates


def most_voted(votes: Iterable[Mapping[str, int]]) -> TimeUnit:
    """The unit with the most votes; seconds if there are no votes."""
    total: Counter[str] = Counter()
    for vote in votes:
        total.update(vote)
    units: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns", "iso", "yyyymmdd")
    return max(units, key=lambda unit: total[unit])
