"""Finds the settings that a table's texts need: date formats, decimal commas, and texts for missing values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.date_formats import pattern_of
from dataplane.sources.ingestion.moment_texts import parse_dates, parse_moments
from dataplane.sources.ingestion.number_texts import parse_numbers
from pipeline.drafting.profile import Column

_DATES = (
    "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%d.%m.%y", "%m/%d/%y",
    "%d/%m/%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%m %d, %Y", "%d-%b-%y", "%d%b%Y",
    "%d/%b/%Y", "%a, %d %b %Y",
)  # fmt: skip
_TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%H:%M:%S %z", "%H:%M:%S.%f")
_BETWEEN = (" ", "T", ", ", ":")
_WHOLE = (
    "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z",
    # Oracle and Db2
    "%d-%b-%y %I.%M.%S.%f %p", "%d-%b-%y %I.%M.%S %p", "%d-%b-%y %I.%M.%S.%f %p %z", "%Y-%m-%d-%H.%M.%S.%f",
    "%Y-%m-%d-%H.%M.%S", "%Y%m%d%H%M%S",
)  # fmt: skip
_LIKE_A_DATE = r"[0-9].*[-./ ,].*[0-9]|^\s*(19|20)[0-9]{12}\s*$"
_MOSTLY = 0.9
_SAMPLE = 5_000
_COMMA = r"^\s*-?([0-9]{1,3}([. ][0-9]{3})+|[0-9]+),[0-9]+\s*$"
_PLAIN_NUMBER = r"^\s*-?([0-9]{1,3}([. ][0-9]{3})+|[0-9]+)\s*$"
_THOUSANDS = r"^\s*-?[0-9]{1,3}(,[0-9]{3})+\s*$"
_MISSING_ANYWHERE = ("NULL", "null", "Null", "\\N", "NaN", "nan", "None", "<NA>", "NaT", "N/A", "#N/A")
_MISSING_AMONG_NUMBERS = ("NA", "n/a", "na", "-", "?")


@dataclass(frozen=True)
class Notation:
    """Settings for reading the texts of a table.

    Attributes:
        date_formats: date format by column.
        undecided: date columns in which day and month could be swapped.
        decimal_commas: number columns with a decimal comma.
        missing: texts that stand for missing values.
    """

    date_formats: Mapping[str, str] = field(default_factory=dict)
    undecided: frozenset[str] = frozenset()
    decimal_commas: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def find_notation(columns: Mapping[str, Column]) -> Notation:
    """Finds the notation of the text columns."""
    # Missing values are removed first, so that a column of numbers and `nan` counts as numbers.
    texts = {name: column.texts() for name, column in columns.items() if column.is_text and column.present}
    missing = sorted({text for values in texts.values() for text in _missing(values)})
    texts = {name: _without(values, missing) for name, values in texts.items()}
    formats = {name: found for name, values in texts.items() if (found := list(_date_formats(values)))}
    commas = tuple(name for name, values in texts.items() if name not in formats and _has_decimal_commas(values))
    undecided = frozenset(name for name, found in formats.items() if len(found) > 1)
    return Notation({name: found[0] for name, found in formats.items()}, undecided, commas, tuple(missing))


def _missing(values: pa.Array) -> Iterator[str]:
    present = set(pc.unique(values).to_pylist())
    found = [text for text in _MISSING_ANYWHERE if text in present]
    among_numbers = [text for text in _MISSING_AMONG_NUMBERS if text in present]
    rest = _without(values, found + among_numbers)
    yield from found if len(rest) else ()
    if among_numbers and len(rest) and parse_numbers(rest)[1].null_count == 0:
        yield from among_numbers


def _without(values: pa.Array, texts: list[str]) -> pa.Array:
    return values.filter(pc.invert(pc.is_in(values, pa.array(texts, pa.string())))) if texts else values


def _date_formats(values: pa.Array) -> Iterator[str]:
    """Formats that fit nearly all texts, best first; none for texts that need no format."""
    values = pc.unique(values)[:_SAMPLE]
    like_dates = pc.match_substring_regex(values, _LIKE_A_DATE)
    if len(values) == 0 or pc.mean(like_dates.cast(pa.float64())).as_py() < _MOSTLY:
        return
    if parse_moments(values)[1].null_count <= len(values) * (1 - _MOSTLY):
        return
    found: dict[str, int] = {}
    for written in _formats_of(values[len(values) // 2].as_py(), values[0].as_py()):
        read = len(values) - parse_dates(values, written)[1].null_count
        if read >= _MOSTLY * len(values):
            found[written] = read
    yield from (written for written, read in found.items() if read == max(found.values()))


def _formats_of(*texts: str) -> Iterator[str]:
    """Formats that fit at least one of a few texts; trying every format on all texts would be slow."""
    joined = (f"{date}{between}{time}" for date, between, time in product(_DATES, _BETWEEN, _TIMES))
    yield from (written for written in (*_WHOLE, *_DATES, *joined) if any(_is_written(text, written) for text in texts))


def _is_written(text: str, written: str) -> bool:
    return re.match(pattern_of(written), text) is not None


def _has_decimal_commas(values: pa.Array) -> bool:
    decimal = pc.match_substring_regex(values, _COMMA)
    thousands = pc.match_substring_regex(values, _THOUSANDS)  # such as 1,234 in English notation
    numbers = pc.or_(decimal, pc.match_substring_regex(values, _PLAIN_NUMBER))
    decided = pc.any(pc.and_(decimal, pc.invert(thousands))).as_py()
    return bool(decided and pc.all(numbers).as_py())
