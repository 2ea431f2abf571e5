"""Finds the columns of one table whose values are ids of another table, by values as well as by names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.statistics.id_forms import differences, plain_forms
from pipeline.drafting.names import (
    concepts,
    describes,
    is_key,
    names_something,
    same_name,
    says_what,
    says_who,
)
from pipeline.drafting.profile import Column
from pipeline.drafting.tables import Table

_LEAST_FOUND = 0.1
_FEW_VALUES = 12
_NARROW = 0.25
"""Ids that are drawn from a table spread over more than this share of its range of numbers."""
_MOST_SEXES = 4
_SEXES = ({"m", "f"}, {"m", "w"}, {"male", "female"}, {"man", "woman"}, {"h", "f"}, {"homme", "femme"})


@dataclass(frozen=True)
class Link:
    """A column whose values are ids of another table.

    Attributes:
        table: the other table.
        key: its id column.
        found: share of the distinct values that are in the key.
        covered: share of the key's values that occur.
        same_name: whether both columns have the same name in the files.
        found_ids: number of distinct values that are in the key.
        ids: number of distinct values.
        is_chance: whether the values are numbers from a small part of a dense range of ids, as ages and counts are.
        values: the distinct values.
    """

    table: Table
    key: Column
    found: float
    covered: float
    same_name: bool
    found_ids: int
    ids: int
    is_chance: bool
    values: pa.Array = field(repr=False, compare=False)

    @property
    def holds(self) -> bool:
        """Whether the tables can be joined by it."""
        return self.found >= _LEAST_FOUND

    @cached_property
    def spelling(self) -> "Spelling":
        """The ids that are not found but would be if both tables spelled ids alike."""
        known = self.table.keys[self.key.name]
        lost = self.values.filter(pc.invert(pc.is_in(self.values, known)))
        positions = pc.index_in(plain_forms(lost), plain_forms(known))
        met = pc.indices_nonzero(positions.is_valid())
        if len(met) == 0:
            return Spelling(0, "")
        first = met[0].as_py()
        return Spelling(
            len(met), " and ".join(differences(lost[first].as_py(), known[positions[first].as_py()].as_py()))
        )

    @property
    def strength(self) -> float:
        """How clearly this is a foreign key, from 0 to 1. A few small numbers match any column of whole numbers."""
        if not self.holds or self.is_chance or (self.ids < _FEW_VALUES and self.covered < 0.5):
            return 0.0
        return 0.6 * self.found + 0.4 * self.covered

    @property
    def fitness(self) -> tuple[float, bool, float]:
        """Sort key for the links of one column; values count for more than names."""
        return round(self.found + 0.15 * self.covered + 0.25 * self.same_name, 1), self.same_name, self.covered


@dataclass(frozen=True)
class Spelling:
    """Ids of two tables that differ only in spelling.

    Attributes:
        ids: number of such ids.
        differences: how the spellings differ.
    """

    ids: int
    differences: str


def links(column: Column, tables: Sequence[Table]) -> list[Link]:
    """Compares the values of a column with each key of each table; includes links that do not hold."""
    if not column.can_hold_ids or column.present == 0:
        return []
    values = pc.unique(column.ids.drop_null())
    pairs = [(table, key) for table in tables for key in table.keys]
    return [_link(column, values, table, key) for table, key in pairs if not _named_apart(column.name, key)]


def nature_of(table: Table) -> str:
    """`query` or `candidate`, by the names of the file and its keys, or by its columns; empty if unclear."""
    named = concepts(table.stem)
    who = max((says_who(key) for key in table.keys), default=0.0) + ("query" in named)
    what = max((says_what(key) for key in table.keys), default=0.0) + ("candidate" in named)
    if who == what == 0:
        who += 0.7 * any(map(_says_sex, table.columns.values()))
        what += 0.5 * any(column.is_prose for column in table.columns.values())  # titles, which people do not have
    return "query" if who > what else "candidate" if what > who else ""


def _says_sex(column: Column) -> bool:
    if column.kind != "string" or not 2 <= column.distinct <= _MOST_SEXES:
        return False
    values = {text.strip().lower() for text in pc.unique(column.texts()).to_pylist()}
    return any(pair <= values for pair in _SEXES)


def _named_apart(name: str, key: str) -> bool:
    """Whether the names say that common values are chance, such as `item_id` and the `category_id` of a tree."""
    clear = max(says_who(name), says_what(name)) > 0
    of_attribute = is_key(key) and describes(key) and not names_something(key)
    return clear and of_attribute and not same_name(name, key)


def _link(column: Column, values: pa.Array, table: Table, key: str) -> Link:
    known = table.keys[key]
    common = pc.sum(pc.is_in(values, known)).as_py() or 0
    found, covered = common / len(values), common / max(len(known), 1)
    named_alike = table.has_header and same_name(column.name, key)
    named = named_alike or max(says_who(column.name), says_what(column.name)) > 0
    is_chance = not named and _is_narrow(column, table.columns[key])
    return Link(table, table.columns[key], found, covered, named_alike, common, len(values), is_chance, values)


def _is_narrow(column: Column, key: Column) -> bool:
    """Whether most numbers are ids, and the range of the column's numbers is a small part of theirs.

    Example: ages from 7 to 73 are all among the ids 1 to 1682, whatever they mean.
    """
    if not (column.kind == key.kind == "int64"):
        return False
    low, high = pc.min_max(column.numbers()).as_py().values()
    least, most = pc.min_max(key.numbers()).as_py().values()
    is_dense = key.distinct > (most - least) / 2
    return bool(is_dense and high - low < _NARROW * (most - least))
