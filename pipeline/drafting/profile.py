"""Profiles the columns of a table: types, numbers of distinct and missing values, times."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.column_types import name_of, type_of_text
from dataplane.sources.ingestion.id_values import ids_of
from dataplane.sources.ingestion.moments import most_voted, numbers_of, to_moments, unit_votes

_YEAR_2100 = 4_102_444_800_000_000
_YEAR_1973 = 100_000_000_000_000
"""In microseconds: 100 million seconds. Smaller numbers do not count from 1970."""
_FIRST_UNNAMED = 315_532_800_000_000
"""1980 in microseconds. Smaller numbers are times only if the column's name says so."""
_MOST_BAD = 0.1
_FIRST_DATE = 19_000_101
"""As yyyymmdd. Smaller numbers are not a time in any unit."""
_EXAMPLES = 3
_LONGEST_EXAMPLE = 40
_LONGEST_ID = 64


@dataclass(frozen=True)
class Column:
    """Profile of a column in a sample.

    Attributes:
        name: name of the column.
        kind: its type, see `column_types`.
        values: the sample.
        distinct: number of distinct values.
        missing: number of missing values.
    """

    name: str
    kind: str
    values: pa.Array
    distinct: int
    missing: int

    @property
    def missing_share(self) -> float:
        """Share of the rows without a value."""
        return self.missing / max(len(self.values), 1)

    @property
    def present(self) -> int:
        """Number of rows with a value."""
        return len(self.values) - self.missing

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.kind in ("int64", "float64")

    @property
    def is_unique(self) -> bool:
        """Whether every row has its own value, like the ids of a table of entities."""
        return self.can_hold_ids and self.missing == 0 and self.distinct == len(self.values) > 0

    @cached_property
    def is_whole(self) -> bool:
        """Whether all numbers are whole, including those written with a decimal point."""
        if self.kind != "float64" or self.present == 0:
            return self.kind == "int64"
        return not pc.any(ids_of(self.values, whole_numbers=True)[1]).as_py()

    @property
    def can_hold_ids(self) -> bool:
        """Whether a run accepts its values as ids: text or whole numbers, including numbers such as 12346.0."""
        return self.kind in ("string", "int64") or self.has_whole_floats

    @property
    def has_whole_floats(self) -> bool:
        """Whether its whole numbers have a decimal point, so that a run needs `whole_number_ids`."""
        return self.kind == "float64" and self.is_whole

    @cached_property
    def ids(self) -> pa.StringArray:
        """The values as ids; null if missing."""
        return ids_of(self.values, whole_numbers=self.has_whole_floats)[0]

    @property
    def is_text(self) -> bool:
        """Whether the source type is text, whatever the texts look like."""
        return name_of(self.values.type) == "string"

    @cached_property
    def looks_like_ids(self) -> bool:
        """Whether its values could be ids of queries or candidates, regardless of its name."""
        if not self.can_hold_ids or self.distinct < 2 or self.moments.is_time:
            return False
        lengths = pc.utf8_length(self.texts())
        return self.is_number or (pc.mean(lengths).as_py() <= _LONGEST_ID and not self.is_prose)

    @cached_property
    def is_prose(self) -> bool:
        """Whether its texts are sentences rather than codes."""
        if self.kind != "string" or self.distinct <= self.present // 2:  # texts that repeat are names
            return False
        return bool(pc.mean(pc.count_substring(pc.utf8_trim_whitespace(self.texts()), " ")).as_py() >= 1.5)

    @cached_property
    def moments(self) -> "Moments":
        """The values as times."""
        return read_moments(self)

    def numbers(self) -> pa.Array:
        """The values as numbers, without nulls."""
        return numbers_of(self.values.drop_null())[1]

    def texts(self) -> pa.Array:
        """The values as text, without nulls."""
        return self.values.drop_null().cast(pa.string())

    def not_numbers(self) -> pa.Array:
        """The values that are not numbers, as text."""
        if self.kind != "string":
            return pa.array([], pa.string())
        texts = self.texts()
        return texts.filter(numbers_of(texts)[1].is_null())

    def examples(self, values: pa.Array | None = None) -> str:
        """A few distinct values for messages."""
        chosen = self.values.drop_null() if values is None else values
        distinct = dict.fromkeys(short(value) for value in chosen.slice(0, 1_000).to_pylist())
        return ", ".join(list(distinct)[:_EXAMPLES])


@dataclass(frozen=True)
class Moments:
    """The values of a column read as times.

    Attributes:
        unit: unit of its numbers, or format of its texts.
        bad: share of its values that cannot be read.
        bad_values: these values as text.
        known: the times that can be read, in microseconds since 1970.
        first: 1st percentile of these; None if there are none.
        last: 99th percentile of these; None if there are none.
        typed: whether the values have the form of dates or times, and are not just numbers of a plausible size.
    """

    unit: str
    bad: float
    bad_values: pa.Array
    known: pa.Array
    first: int | None
    last: int | None
    typed: bool

    @property
    def is_possible(self) -> bool:
        """Whether nearly all values are times; numbers must lie between 1970 and 2100."""
        if self.first is None or self.last is None or self.bad > _MOST_BAD:
            return False
        return self.typed or (self.first > 0 and _YEAR_1973 <= self.last <= _YEAR_2100)

    @property
    def is_time(self) -> bool:
        """Whether the values alone show that they are times: by their form, or as numbers that mean 1980 or later."""
        return self.is_possible and (self.typed or (self.first or 0) >= _FIRST_UNNAMED)


NO_MOMENTS = Moments("s", 1.0, pa.array([], pa.string()), pa.array([], pa.int64()), None, None, typed=False)


def read_moments(column: Column) -> Moments:
    """Reads a column the way a run reads a timestamp."""
    if column.kind not in ("string", "int64", "float64", "timestamp") or column.present == 0:
        return NO_MOMENTS
    values = column.values.drop_null()
    if column.is_number and (pc.max(column.numbers()).as_py() or 0) < _FIRST_DATE:
        return NO_MOMENTS
    with np.errstate(all="ignore"):  # codes such as 1e999 are read as infinity
        unit = most_voted([unit_votes(values)])
        _, moments = to_moments(values, unit)
    bad = values.filter(moments.is_null())
    known = moments.drop_null().cast(pa.int64())
    # Percentiles, so that a few stray values such as 1900-01-01 for unknown do not matter.
    first, last = (_quantile(known, share) for share in (0.01, 0.99))
    typed = column.kind == "timestamp" or unit in ("iso", "yyyymmdd")
    return Moments(unit, len(bad) / len(values), bad.cast(pa.string()), known, first, last, typed)


def _quantile(values: pa.Array, share: float) -> int | None:
    return None if len(values) == 0 else int(pc.quantile(values, share, interpolation="nearest")[0].as_py())


def profile(table: pa.Table, *, texts: bool) -> dict[str, Column]:
    """Profiles the columns of a sample.

    Args:
        table: the sample.
        texts: whether to infer the types of text columns.
    """
    columns: dict[str, Column] = {}
    for name in table.column_names:
        values = table.column(name).combine_chunks()
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        kind = type_of_text(values) if texts and pa.types.is_string(values.type) else name_of(values.type)
        hashable = not kind.startswith("list") and kind not in ("unsupported", "null")
        distinct = pc.count_distinct(values).as_py() if hashable else 0
        columns[name] = Column(name, kind, values, distinct, values.null_count)
    return columns


def short(value: object) -> str:
    """A value for messages: on one line and shortened."""
    text = str(value)
    return repr(text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…")
