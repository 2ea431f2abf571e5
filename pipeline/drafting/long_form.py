"""Finds tables in long form (one property of an entity per row) that could describe the candidates or queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pyarrow.compute as pc

from pipeline.drafting.names import says_what, says_who
from pipeline.drafting.profile import Column
from pipeline.drafting.roles import Roles
from pipeline.drafting.tables import Table

_PROPERTIES = {"property", "properties", "attribute", "attr", "key", "field", "feature", "eigenschaft", "merkmal",
               "propriete", "attribut", "propiedad", "atributo", "name"}  # fmt: skip
_VALUES = {"value", "val", "wert", "valeur", "valor"}
_MOST_PROPERTIES = 10
_KNOWN_BEFORE = 0.8
"""Quantile of the events' times; the draft proposes to use only values known before it."""


@dataclass(frozen=True)
class LongForm:
    """A table in long form; a pivot turns it into a table of entities.

    Attributes:
        table: the table.
        side: the side that it describes.
        id: its id column.
        pivot: settings of the pivot.
    """

    table: Table
    side: Literal["queries", "candidates"]
    id: str
    pivot: Mapping[str, object]


def find_long_form(table: Table, roles: Roles) -> LongForm | None:
    """How a table in long form describes ids of the interactions; None if it is not in long form or has other ids."""
    parts = {name: set(name.lower().replace("-", "_").split("_")) for name in table.columns}
    names = [name for name, words in parts.items() if words & _PROPERTIES and table.columns[name].kind == "string"]
    values = [name for name, words in parts.items() if words & _VALUES]
    others = [column for column in table.columns.values() if column.name not in (*names[:1], *values[:1])]
    found = _described(others, roles) if names and values else None
    if found is None:
        return None
    side, ids = found
    times = [column for column in others if column.name != ids and column.moments.is_time]
    properties = table.columns[names[0]].texts().value_counts()
    ranked = sorted(properties.to_pylist(), key=lambda counted: (-counted["counts"], counted["values"]))
    pivot: dict[str, object] = {"property": names[0], "value": values[0]}
    if times:
        pivot |= {"timestamp": times[0].name, "before": _known_before(roles, times[0])}
    pivot["keep"] = [counted["values"] for counted in ranked if counted["values"] != ids][:_MOST_PROPERTIES]
    return LongForm(table, side, ids, pivot)


def _described(others: Sequence[Column], roles: Roles) -> tuple[Literal["queries", "candidates"], str] | None:
    """The side and name of the first column that has the ids of a side, several rows per id."""
    for column in others:
        if not column.can_hold_ids or column.is_unique:
            continue
        if says_what(column.name) and _meet(column, roles.candidate):
            return "candidates", column.name
        if says_who(column.name) and _meet(column, roles.query):
            return "queries", column.name
    return None


def _meet(column: Column, ids: Column) -> bool:
    return bool(pc.any(pc.is_in(pc.unique(column.ids), pc.unique(ids.ids.drop_null()))).as_py())


def _known_before(roles: Roles, own: Column) -> str:
    column = roles.time or own
    moments = column.moments.known
    moment = pc.quantile(moments, _KNOWN_BEFORE, interpolation="lower")[0].as_py()
    return datetime.fromtimestamp(moment // 1_000_000, UTC).isoformat()[:19]
