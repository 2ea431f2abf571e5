"""Decides how the columns of a table are read and cleaned, once, before its rows are read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from dataplane.errors import DataError
from dataplane.errors.messages import listed
from dataplane.sources.config import ROLES, MappedEntities, MappedInteractions, needed_columns
from dataplane.sources.ingestion.column_types import UNSUPPORTED, merged
from dataplane.sources.ingestion.schemas import ColumnTypes
from dataplane.sources.pivot_config import Pivot
from dataplane.sources.reading import Rows
from dataplane.sources.value_config import ColumnKind, TimeUnit

Example: TypeAlias = Callable[[str], str]
"""Returns a value of a column as text, for messages; empty if the column has no value."""
_ID_TYPES = {"string", "int64", "null"}


def _no_example(column: str) -> str:
    return ""


def first_value(pieces: Iterable[Iterable[Rows]]) -> str:
    """First value of pieces that have one column, as text; empty if the column has no value."""
    values = (value for rows in pieces for part in rows for column in part.batch.columns for value in column)
    return str(next((value for value in values if value.is_valid), ""))


_OF_KIND: dict[ColumnKind, str] = {
    "number": "float64", "time": "timestamp", "list": "list<string>", "vector": "list<float64>",
}  # fmt: skip
_NUMBER_TYPES = {"string", "int64", "float64", "null"}


@dataclass(frozen=True)
class TablePlan:
    """How the rows of a table are cleaned.

    Attributes:
        table: `interactions`, `queries` or `candidates`.
        ids: source column of each id column of the output.
        types: type of every source column that is read.
        kept: other source columns that the output has.
        carried: other source columns that only describe queries or candidates.
        roles: source column of each of `timestamp`, `order`, `weight`, `split` that the settings map.
        presplit: whether each file belongs to one split.
        separators: separator of the values in each text column that holds lists.
        time_unit: unit of the timestamps, never `auto`; None if there are none or they have a date type.
        min_weight: rows with a smaller weight are filtered out.
        dropped: reason for each source column that is left out, for the user.
        kinds: declared kind of other columns.
        date_formats: format of each column of dates that is not written as ISO 8601.
        pivot: settings of a table in long form, one property per row.
        long: plan for the rows of the long form; the other attributes then describe the pivoted rows.
        whole_number_ids: whether ids such as 12346.0 mean 12346.
    """

    table: str
    ids: Mapping[str, str]
    types: Mapping[str, str]
    kept: tuple[str, ...]
    carried: tuple[str, ...]
    roles: Mapping[str, str]
    presplit: bool
    separators: Mapping[str, str]
    time_unit: TimeUnit | None
    min_weight: float | None
    dropped: Mapping[str, str]
    kinds: Mapping[str, ColumnKind]
    date_formats: Mapping[str, str]
    pivot: Pivot | None = None
    long: "TablePlan | None" = None
    whole_number_ids: bool = False

    def source_columns(self) -> list[str]:
        """All columns that must be read."""
        return list(dict.fromkeys([*self.ids.values(), *self.roles.values(), *self.kept, *self.carried]))

    def output_types(self) -> dict[str, str]:
        """Columns of the clean table, in order."""
        kinds = {"timestamp": "timestamp", "order": "float64", "weight": "float32", "split": "string"}
        if "order" in self.roles:
            kinds["order"] = self.types[self.roles["order"]]
        roles = {role: kinds[role] for role in kinds if role in self.roles or (role == "split" and self.presplit)}
        return {**dict.fromkeys(self.ids, "string"), **roles, **{name: self.kept_type(name) for name in self.kept}}

    def kept_type(self, column: str) -> str:
        """Output type of a kept or carried column."""
        return "list<string>" if column in self.separators else self.types[column].replace("null", "string")


def plan_interactions(
    source: MappedInteractions, types: ColumnTypes, *, presplit: bool, time_unit: TimeUnit | None,
    carried: Iterable[str] = (), example: Example = _no_example,
) -> TablePlan:  # fmt: skip
    """Plans the interactions table.

    Args:
        source: settings of the table.
        types: types seen in each source column, each with the first file that has it.
        presplit: whether each file belongs to one split.
        time_unit: unit of the timestamps.
        carried: source columns that describe queries or candidates.
        example: returns a value of a column, for messages.

    Raises:
        DataError: a column is missing, or its type does not suit its role.
    """
    roles = source.columns.mapped()
    ids = {role: roles.pop(role) for role in ("query_id", "candidate_id")}
    _check_present("interactions", [*ids.values(), *roles.values(), *carried], types)
    _check_ids("interactions", ids, types, source.whole_number_ids, example)
    _check_roles("interactions", roles, types)
    kept, dropped = _kept_columns("interactions", source.keep, types, {*ids.values(), *roles.values()}, {*ROLES})
    all_types = _types(source, types)
    for column in carried:
        if all_types[column] == UNSUPPORTED:
            raise DataError(f"interactions: column {column!r} holds {_listed(types[column])}")
    if "order" in roles and all_types[roles["order"]] != "int64":
        all_types[roles["order"]] = "float64"
    return TablePlan(
        "interactions", ids, all_types, tuple(kept), tuple(carried), roles, presplit,
        _separators(source, all_types), time_unit, source.min_weight, dropped, source.kinds(), source.date_formats,
        whole_number_ids=source.whole_number_ids,
    )  # fmt: skip


def plan_entities(
    table: str,
    source: MappedEntities,
    types: ColumnTypes,
    *,
    time_unit: TimeUnit | None = None,
    example: Example = _no_example,
) -> TablePlan:
    """Plans the query or the candidate table.

    Args:
        table: `queries` or `candidates`.
        source: settings of the table.
        types: types seen in each source column, each with the first file that has it.
        time_unit: unit of the timestamps of a table in long form.
        example: returns a value of a column, for messages.

    Raises:
        DataError: a column is missing, or the id column holds neither text nor integers.
    """
    id_column = "query_id" if table == "queries" else "candidate_id"
    ids = {id_column: source.id}
    _check_present(table, sorted(needed_columns(source)), types)
    _check_ids(table, ids, types, source.whole_number_ids, example)
    if source.pivot is not None:
        return _plan_pivot(table, source, source.pivot, ids, types, time_unit)
    kept, dropped = _kept_columns(table, source.keep, types, {source.id}, {id_column})
    all_types = _types(source, types)
    return TablePlan(
        table, ids, all_types, tuple(kept), (), {}, False, _separators(source, all_types), None, None, dropped,
        source.kinds(), source.date_formats, whole_number_ids=source.whole_number_ids,
    )  # fmt: skip


def _plan_pivot(
    table: str, source: MappedEntities, pivot: Pivot, ids: Mapping[str, str], seen: ColumnTypes,
    time_unit: TimeUnit | None,
) -> TablePlan:  # fmt: skip
    roles = {} if pivot.timestamp is None else {"timestamp": pivot.timestamp}
    _check_roles(table, roles, seen)
    for column in (pivot.property, pivot.value):
        if (kind := merged(seen[column])) == UNSUPPORTED or kind.startswith("list<"):
            raise DataError(f"{table}: column {column!r} holds {_listed(seen[column])}; a pivot needs single values")
    kinds = source.kinds()
    types = {name: _OF_KIND[kinds[name]] if kinds.get(name) in ("number", "time") else "string" for name in pivot.keep}
    wide = TablePlan(
        table, ids, types, tuple(pivot.keep), (), {}, False, _separators(source, types), None, None, {}, kinds,
        source.date_formats, pivot, whole_number_ids=source.whole_number_ids,
    )  # fmt: skip
    text = dict.fromkeys((pivot.property, pivot.value), "string")
    long = replace(
        wide, types={name: merged(found) for name, found in seen.items()} | text, kept=tuple(text), roles=roles,
        separators={}, time_unit=time_unit,
    )  # fmt: skip
    return replace(wide, long=long)


def _types(source: MappedInteractions | MappedEntities, seen: ColumnTypes) -> dict[str, str]:
    """Type of each column: the declared type where values are text or missing, else the type of the values."""
    types = {name: merged(found) for name, found in seen.items()}
    for name, kind in source.kinds().items():
        declared = _OF_KIND[kind]
        if types.get(name) == "null" or (types.get(name) == "string" and declared in ("float64", "timestamp")):
            types[name] = declared
    for name in source.date_formats.keys() & types.keys():
        if types[name] not in ("timestamp", "int64") or set(seen[name]) == {"timestamp"}:
            raise DataError(
                f"date_formats: column {name!r} holds {_listed(seen[name])}, not text; remove it from 'date_formats'"
            )
        types[name] = "timestamp"
    return types


def _separators(source: MappedInteractions | MappedEntities, types: Mapping[str, str]) -> dict[str, str]:
    separators: dict[str, str] = getattr(source, "list_columns", {})
    for column in separators:
        if types.get(column, "string") not in ("string", "null"):
            raise DataError(f"list_columns: column {column!r} holds {types[column]}, not text that can be split")
    return separators


def _check_present(table: str, columns: Iterable[str], types: ColumnTypes) -> None:
    missing = [repr(column) for column in columns if column not in types]
    if missing:
        raise DataError(f"{table} has no column {listed(missing)}; it has {listed(types)}")


def _check_ids(
    table: str, ids: Mapping[str, str], types: ColumnTypes, whole_numbers: bool, example: Example
) -> None:  # fmt: skip
    for role, column in ids.items():
        allowed = _ID_TYPES | {"float64"} if whole_numbers else _ID_TYPES
        wrong = {kind: file for kind, file in types[column].items() if kind not in allowed}
        if not wrong:
            continue
        hint = ""
        if set(wrong) == {"float64"}:
            hint = "; write integers or text, or set 'whole_number_ids: true' if 12346.0 means 12346"
        elif any("list<" in kind or kind.startswith("map<") for kind in wrong):
            hint = "; write one row per value"
        value = example(column) if set(wrong) == {"float64"} else ""
        found = f"{_listed(wrong)}{f', such as {value}' if value else ''}"
        raise DataError(f"{table}: {role} column {column!r} holds {found}, not text or integers{hint}")


def _check_roles(table: str, roles: Mapping[str, str], types: ColumnTypes) -> None:
    allowed = {"timestamp": {*_NUMBER_TYPES, "timestamp"}, "split": {"string", "null"}}
    for role, column in roles.items():
        wrong = {kind: file for kind, file in types[column].items() if kind not in allowed.get(role, _NUMBER_TYPES)}
        if wrong:
            hint = "write times or numbers" if role == "timestamp" else "write numbers"
            raise DataError(f"{table}: {role} column {column!r} holds {_listed(wrong)}; {hint}")


def _kept_columns(
    table: str, keep: list[str] | None, types: ColumnTypes, used: set[str], reserved: set[str]
) -> tuple[list[str], dict[str, str]]:
    """Other columns that the output has, and the reason for each column that it leaves out."""
    _check_present(table, keep or [], types)
    kept: list[str] = []
    dropped: dict[str, str] = {}
    for name in types if keep is None else keep:
        kind = merged(types[name])
        if name in used:
            continue
        if name in reserved:
            dropped[name] = "the name is reserved, and 'columns' does not map this column to it"
        elif kind == UNSUPPORTED:
            dropped[name] = f"type {_listed(types[name])} is not supported"
        else:
            kept.append(name)
    if keep is not None and dropped:
        raise DataError(f"{table}: cannot keep " + "; ".join(f"{name!r}: {why}" for name, why in dropped.items()))
    return kept, dropped


def _listed(types: Mapping[str, str]) -> str:
    return " and ".join(f"{kind} (in {file})" for kind, file in sorted(types.items()))
