"""A look at the columns of a table, and what kind of feature each could be."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.sources.column_types import name_of, type_of_text

_SEPARATORS = ("|", ";", ",")
_OTHER_DATE = r"^[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}([T ,]|$)"
_DECIMAL_COMMA = r"^-?[0-9]+,[0-9]+$"
_FEW = 50
_LONGEST_LIST = 20


@dataclass(frozen=True)
class Column:
    """What a sample says about a column.

    Attributes:
        name: of the column.
        kind: its type, see `column_types`.
        values: the sample.
        distinct: number of distinct values in it.
        missing: number of missing ones.
    """

    name: str
    kind: str
    values: pa.Array
    distinct: int
    missing: int

    @property
    def is_unique(self) -> bool:
        """Whether it could be an entity's id."""
        return self.kind in ("string", "int64") and self.missing == 0 and self.distinct == len(self.values)

    @property
    def could_be_id(self) -> bool:
        """Whether its values could name queries or candidates of events."""
        named = self.kind in ("string", "int64") and self.distinct > 1
        return named and not self.looks_like_time and not self.written_otherwise

    @property
    def looks_like_time(self) -> bool:
        """Whether it holds moments: typed, as ISO text, or as numbers of the size of Unix times after 1980."""
        if self.kind == "timestamp":
            return True
        if self.kind not in ("int64", "float64"):
            return False
        low = pc.min(self.numbers()).as_py()
        high = pc.max(self.numbers()).as_py()
        return any(3e8 * scale <= low and high <= 4e9 * scale for scale in (1, 1e3, 1e6))

    @property
    def written_otherwise(self) -> str:
        """Says that its texts are dates or numbers in a notation that is not read as such; empty if they are not."""
        if self.kind != "string" or self.distinct == 0:
            return ""
        texts = self.texts()
        if pc.all(pc.match_substring_regex(texts, _OTHER_DATE)).as_py():
            return "dates, but not written as 2024-12-31 or 2024-12-31T23:59:59"
        decimal = pc.match_substring_regex(texts, _DECIMAL_COMMA)
        if pc.any(decimal).as_py() and pc.all(pc.or_(decimal, pc.utf8_is_digit(texts))).as_py():
            return "numbers with a decimal comma instead of a point"
        return ""

    def numbers(self) -> pa.Array:
        """The values as numbers."""
        return self.values.drop_null().cast(pa.float64(), safe=False)

    def texts(self) -> pa.Array:
        """The values as text."""
        return self.values.drop_null().cast(pa.string())


@dataclass(frozen=True)
class Guess:
    """A feature that a column could be.

    Attributes:
        settings: its settings in `features`; empty if it is better left out.
        why: what in the sample speaks for it.
        separator: what separates the values of a text that holds several.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    why: str = ""
    separator: str | None = None


def profile(table: pa.Table, *, texts: bool) -> dict[str, Column]:
    """Columns of a sample.

    Args:
        table: the sample.
        texts: whether the type of texts is to be guessed.
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


def guess_feature(column: Column) -> Guess:
    """What kind of feature a column could be."""
    if column.kind in ("null", "unsupported"):
        return Guess(why="no values" if column.kind == "null" else "type is not supported")
    if column.kind.startswith("list<"):
        return _guess_list(column)
    if column.distinct <= 1:
        return Guess(why="always the same value")
    if column.looks_like_time and column.kind == "timestamp":
        return Guess({"type": "timestamp", "parts": ["month", "year"]}, "moments")
    if column.kind == "bool":
        return Guess({"type": "categorical"}, "true or false")
    if column.kind in ("int64", "float64"):
        return _guess_number(column)
    if column.written_otherwise:
        return Guess(why=column.written_otherwise)
    return _guess_text(column)


def _guess_list(column: Column) -> Guess:
    lengths = pc.list_value_length(column.values.drop_null()).to_numpy(zero_copy_only=False)
    if column.kind == "list<float64>":
        if len(lengths) and lengths.min() == lengths.max() > 1:
            return Guess({"type": "vector", "dimension": int(lengths[0])}, "numbers, always as many")
        return Guess(why="lists of numbers of different lengths")
    return Guess({"type": "categorical", "max_values": _usual_most(lengths)}, "lists")


def _guess_number(column: Column) -> Guess:
    if column.kind == "int64" and column.distinct <= _FEW:
        return Guess({"type": "categorical"}, f"{column.distinct} different whole numbers")
    if column.kind == "int64" and (re.search(r"(id|code|zip)$", column.name, re.IGNORECASE) or column.is_unique):
        return Guess(why="numbers that name something, nearly all different")
    return Guess({"type": "numeric"}, "numbers")


def _guess_text(column: Column) -> Guess:
    texts = column.texts()
    if pc.mean(pc.starts_with(texts, "http").cast(pa.int8())).as_py() > 0.5:
        return Guess(why="web addresses")
    for separator in _SEPARATORS:
        parts = pc.split_pattern(texts, separator)
        lengths = pc.list_value_length(parts).to_numpy()
        few = pc.count_distinct(pc.list_flatten(parts)).as_py() <= max(_FEW, len(texts) // 20)
        if (lengths > 1).mean() > 0.2 and few:
            settings = {"type": "categorical", "max_values": _usual_most(lengths)}
            return Guess(settings, f"several values separated by {separator!r}", separator)
    if column.distinct <= max(min(_FEW, len(texts) // 2), len(texts) // 5):
        return Guess({"type": "categorical"}, f"{column.distinct} different values")
    if pc.mean(pc.count_substring(texts, " ")).as_py() >= 0.5:
        return Guess({"type": "text"}, "words")
    return Guess(why="single words, nearly all different")


def _usual_most(lengths: np.ndarray) -> int:
    return int(min(_LONGEST_LIST, max(1, np.quantile(lengths, 0.99)))) if len(lengths) else 1
