"""Which table holds the interactions, which describe its ids, and which columns are ids, time and weight."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from components.errors import DataError
from components.sources.profile import Column

_QUERY = r"user|customer|client|visitor|session|member|query|account|person|people|reader|basket|^uid|^who$"
_CANDIDATE = (
    r"item|movie|film|product|article|song|track|book|asin|candidate|doc|sku|video|business|news|^iid|^what$|artist|"
    r"listing|recipe|game|place"
)
_TIME = r"time|date|^ts$|^at$|created|when"
_WEIGHT = r"rating|weight|score|stars|quantity|plays|reward|count"
_ORDER = r"^(position|order|rank|step|index|seq|sequence)$"
_ENOUGH_IN_COMMON = 0.2


@dataclass(frozen=True)
class Roles:
    """Columns of the interactions table.

    Attributes:
        query_id: who chose.
        candidate_id: what was chosen.
        timestamp: when.
        order: order of a query's events, where there is no time.
        weight: rating or the like.
    """

    query_id: str
    candidate_id: str
    timestamp: str | None
    order: str | None
    weight: str | None

    @property
    def named(self) -> bool:
        """Whether the names of both id columns say what they are."""
        return _named(_QUERY, self.query_id) and _named(_CANDIDATE, self.candidate_id)

    def mapped(self) -> dict[str, str]:
        """Column of each role there is."""
        return {role: column for role, column in vars(self).items() if column is not None}


def find_interactions(tables: Sequence[Mapping[str, Column]], rows: Sequence[int]) -> tuple[int, Roles]:
    """Position of the interactions table and its roles: names of both ids count most, then the number of rows.

    Args:
        tables: columns of each table.
        rows: how long each is, in any measure.

    Raises:
        DataError: no table has two columns that could be ids.
    """
    found = [(index, roles) for index, table in enumerate(tables) if (roles := _roles(table)) is not None]
    if not found:
        raise DataError("none of the files has two columns that could be the ids of queries and candidates")

    def fitness(entry: tuple[int, Roles]) -> tuple[bool, bool, int]:
        index, roles = entry
        repeated = not tables[index][roles.query_id].is_unique and not tables[index][roles.candidate_id].is_unique
        return roles.named, repeated, rows[index]

    return max(found, key=fitness)


def describes(table: Mapping[str, Column], ids: Column) -> tuple[float, str] | None:
    """How well, and by which column, a table describes the entities that `ids` names; None if it does not."""
    known = pc.unique(ids.texts())
    best: tuple[float, str] | None = None
    for column in table.values():
        if not column.is_unique:
            continue
        values = column.texts()
        common = pc.sum(pc.is_in(known, values)).as_py()
        likeness = common / (len(values) + len(known) - common) + (column.name.lower() == ids.name.lower())
        if likeness >= _ENOUGH_IN_COMMON and (best is None or likeness > best[0]):
            best = likeness, column.name
    return best


def _roles(table: Mapping[str, Column]) -> Roles | None:
    timestamp = _first(
        [column for column in table.values() if column.looks_like_time and _named(_TIME, column.name)],
        [column for column in table.values() if column.looks_like_time],
    )
    order = _first([c for c in table.values() if _named(_ORDER, c.name) and c.kind == "int64"])
    left = [column for column in table.values() if column not in (timestamp, order)]
    weight = _first([column for column in left if _named(_WEIGHT, column.name) and _is_number(column)])
    ids = [column for column in left if column is not weight and column.could_be_id]
    query = _first([column for column in ids if _named(_QUERY, column.name)])
    candidate = _first([column for column in ids if column is not query and _named(_CANDIDATE, column.name)])
    others = sorted((column for column in ids if column not in (query, candidate)), key=lambda column: -column.distinct)
    if query is None and candidate is None:
        query, candidate = _in_file_order(others[:2], table)
    else:
        query, candidate = query or _first(others), candidate or _first(others)
    if query is None or candidate is None:
        return None
    if weight is None:
        rest = [column for column in left if column not in (query, candidate)]
        weight = _first([column for column in rest if _is_number(column) and 2 <= column.distinct <= 20])
    return Roles(query.name, candidate.name, _name(timestamp), None if timestamp else _name(order), _name(weight))


def _in_file_order(ids: Sequence[Column], table: Mapping[str, Column]) -> tuple[Column | None, Column | None]:
    if len(ids) < 2:
        return None, None
    first, second = sorted(ids, key=lambda column: list(table).index(column.name))
    return first, second


def _first(*choices: Iterable[Column]) -> Column | None:
    return next((column for columns in choices for column in columns), None)


def _name(column: Column | None) -> str | None:
    return None if column is None else column.name


def _is_number(column: Column) -> bool:
    return column.kind in ("int64", "float64")


def _named(pattern: str, name: str) -> bool:
    return re.search(pattern, name, re.IGNORECASE) is not None
