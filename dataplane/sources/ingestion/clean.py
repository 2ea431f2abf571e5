"""Cleans rows of a source: casts, renames and checks columns, and gives a reason for each row that is unusable."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.errors import DataError
from dataplane.sources.config import Split
from dataplane.sources.ingestion.column_types import arrow_type, cast, is_text, name_of
from dataplane.sources.ingestion.id_values import NOT_WHOLE, ids_of
from dataplane.sources.ingestion.moment_texts import name_a_shared_zone
from dataplane.sources.ingestion.moments import numbers_of, to_moments
from dataplane.sources.ingestion.number_texts import parse_numbers
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.pivot_config import Pivot
from dataplane.sources.reading import Reject, Rows

SHARED_ZONE = "has an abbreviated time zone, which may mean several"
_SPLITS = pa.array(["train", "validation", "test"])


@dataclass(frozen=True)
class Cleaned:
    """A cleaned batch. Each row is good, dead or filtered.

    Attributes:
        good: clean rows with output names, including the columns that describe queries and candidates.
        position: row number in the file of each good row, int64 `[rows]`.
        dead: unusable rows with reasons.
        filtered: number of usable rows left out because of their weight.
    """

    good: pa.RecordBatch
    position: np.ndarray
    dead: list[Reject]
    filtered: int


def clean(rows: Rows, plan: TablePlan, split: Split | None) -> Cleaned:
    """Casts, renames and checks a batch.

    Args:
        rows: the batch as read.
        plan: plan of the table.
        split: split of all rows in the file; None if the file does not belong to one.

    Raises:
        DataError: values of a column do not fit its type.
    """
    faults = _Faults(rows.batch.num_rows)
    columns = {name: _ids(_source(rows, column, plan), name, plan, faults) for name, column in plan.ids.items()}
    for role, column in plan.roles.items():
        columns[role] = _ROLES[role](_source(rows, column, plan), plan, faults)
    if split is not None:
        columns["split"] = pa.repeat(pa.scalar(split), rows.batch.num_rows)
    for name in dict.fromkeys([*plan.kept, *plan.carried]):
        columns[_free_name(name, columns)] = _other_column(_source(rows, name, plan), name, plan, faults)
    if plan.pivot is not None:
        _check_properties(columns, plan, plan.pivot, faults)
    good = faults.codes == 0
    light = np.zeros(len(good), bool)
    if plan.min_weight is not None:
        light = good & ~(columns["weight"].to_numpy(zero_copy_only=False) >= np.float32(plan.min_weight))
    kept = good & ~light
    batch = pa.RecordBatch.from_pydict(columns).filter(pa.array(kept))
    return Cleaned(batch, rows.position[kept], [*rows.rejects, *faults.rejects(rows)], int(light.sum()))


def carried_name(column: str, plan: TablePlan) -> str:
    """Name that a source column carried for queries or candidates has in a clean batch."""
    return _free_name(column, dict.fromkeys([*plan.ids, *plan.roles, *(["split"] if plan.presplit else [])]))


def _free_name(column: str, taken: object) -> str:
    return f"source.{column}" if column in taken else column  # type: ignore[operator]


class _Faults:
    """The first fault of each row of a batch."""

    def __init__(self, rows: int) -> None:
        self.codes = np.zeros(rows, np.int64)  # 0 for no fault, else index into the reasons + 1
        self._reasons: list[tuple[str, pa.Array]] = []

    def add(self, faulty: pa.Array, reason: str, values: pa.Array) -> None:
        """Marks rows as faulty; `values` are the faulty values."""
        self._reasons.append((reason, values))
        mask = pc.fill_null(faulty, False).to_numpy(zero_copy_only=False)
        self.codes[mask & (self.codes == 0)] = len(self._reasons)

    def rejects(self, rows: Rows) -> list[Reject]:
        faulty = np.flatnonzero(self.codes)
        records = _records(rows.batch.take(pa.array(faulty))) if len(faulty) else []
        return [self._reject(rows, int(row), record) for row, record in zip(faulty, records, strict=True)]

    def _reject(self, rows: Rows, row: int, record: dict[str, object]) -> Reject:
        reason, values = self._reasons[self.codes[row] - 1]
        return Reject(int(rows.position[row]), reason, record_text(record), _shown(values[row : row + 1]))


def _records(rows: pa.RecordBatch) -> list[dict[str, object]]:
    try:
        return rows.to_pylist()  # type: ignore[no-any-return]
    except (ValueError, OverflowError):  # Python cannot hold the timestamp: after the year 9999, or with nanoseconds
        columns = {name: _printable(rows.column(name)) for name in rows.schema.names}
        return pa.RecordBatch.from_pydict(columns).to_pylist()  # type: ignore[no-any-return]


def _printable(values: pa.Array) -> pa.Array:
    if not pa.types.is_temporal(values.type):
        return values
    try:
        return values.cast(pa.string())
    except (pa.ArrowException, ValueError):  # Arrow cannot cast the type to text
        return pa.array([str(value) for value in values])


def _shown(value: pa.Array) -> str:
    [shown] = _printable(value).to_pylist()
    return "" if shown is None else str(shown)


def record_text(record: dict[str, object]) -> str:
    """A row as JSON; values without a JSON type, such as timestamps, become text."""
    return json.dumps(record, ensure_ascii=False, default=str)


def _source(rows: Rows, column: str, plan: TablePlan) -> pa.Array:
    if rows.batch.schema.get_field_index(column) < 0:
        return pa.nulls(rows.batch.num_rows)
    values = rows.batch.column(column)
    if name_of(values.type) != "string" or pa.types.is_string(values.type):
        return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    return _cast(values, column, "string")


def _cast(values: pa.Array, column: str, kind: str) -> pa.Array:
    try:
        return cast(values, kind)
    except pa.ArrowInvalid as error:
        raise DataError(f"column {column!r} cannot be read as {kind}: {error}") from error


def _ids(values: pa.Array, name: str, plan: TablePlan, faults: _Faults) -> pa.Array:
    ids, no_whole_number = ids_of(values, whole_numbers=plan.whole_number_ids)
    faults.add(no_whole_number, f"{name} {NOT_WHOLE}", values)
    faults.add(pc.equal(pc.fill_null(ids, ""), ""), f"{name} is empty", ids)
    return ids


def _other_column(values: pa.Array, column: str, plan: TablePlan, faults: _Faults) -> pa.Array:
    kind = plan.types[column]
    if column in plan.separators:
        return pc.split_pattern(_cast(values, column, "string"), plan.separators[column])
    if kind == "timestamp":
        return _moments(values, column, to_moments(values, "iso", plan.date_formats.get(column)), plan, faults)
    if plan.kinds.get(column) in ("number", "time") and kind in ("int64", "float64") and is_text(values.type):
        return _number(values, column, kind, faults)
    return _cast(values, column, kind)


def _moments(
    values: pa.Array, column: str, read: tuple[pa.Array, pa.Array], plan: TablePlan, faults: _Faults
) -> pa.Array:
    missing, moments = read
    written = plan.date_formats.get(column)
    reason = f"{column} lies outside the years 1 to 9999"
    if name_of(values.type) != "timestamp":
        reason = f"{column} cannot be read as {written or 'a date or time of ISO 8601'}"
    unread = pc.and_(moments.is_null(), pc.invert(missing))
    _add_shared_zones(unread, column, values, faults)
    faults.add(unread, reason, values)
    return moments


def _add_shared_zones(unread: pa.Array, column: str, values: pa.Array, faults: _Faults) -> None:
    if is_text(values.type) and pc.any(unread).as_py():
        shared = name_a_shared_zone(values.cast(pa.string()))
        faults.add(pc.and_(unread, shared), f"{column} {SHARED_ZONE}", values)


def _number(values: pa.Array, column: str, kind: str, faults: _Faults) -> pa.Array:
    missing, numbers = parse_numbers(values.cast(pa.string()), kind)
    faults.add(pc.and_(numbers.is_null(), pc.invert(missing)), f"{column} is not a number", values)
    if kind == "float64":
        faults.add(pc.is_inf(numbers), f"{column} is not a finite number", values)
    return numbers


def _check_properties(columns: Mapping[str, pa.Array], plan: TablePlan, pivot: Pivot, faults: _Faults) -> None:
    """Marks rows of a table in long form whose value does not fit the kind of their property."""
    names, values = (columns[carried_name(column, plan)] for column in (pivot.property, pivot.value))
    for name in pivot.keep:
        own = pc.if_else(pc.equal(names, name), values, None)
        if plan.kinds.get(name) == "number":
            _number(own, name, "float64", faults)
        elif plan.kinds.get(name) == "time":
            _moments(own, name, to_moments(own, "iso", plan.date_formats.get(name)), plan, faults)


def _timestamp(values: pa.Array, plan: TablePlan, faults: _Faults) -> pa.Array:
    written = plan.date_formats.get(plan.roles["timestamp"])
    missing, moments = to_moments(values, plan.time_unit, written)
    faults.add(missing, "timestamp is empty", values)
    outside = name_of(values.type) == "timestamp"
    how = "lies outside the years 1 to 9999" if outside else f"cannot be read as {written or plan.time_unit}"
    _add_shared_zones(moments.is_null(), "timestamp", values, faults)
    faults.add(moments.is_null(), f"timestamp {how}", values)
    return moments


def _role_number(values: pa.Array, role: str, faults: _Faults) -> pa.Array:
    missing, numbers = numbers_of(values)
    faults.add(missing, f"{role} is empty", values)
    faults.add(numbers.is_null(), f"{role} is not a number", values)
    faults.add(pc.invert(pc.is_finite(numbers)), f"{role} is not a finite number", values)
    return numbers


def _order(values: pa.Array, plan: TablePlan, faults: _Faults) -> pa.Array:
    numbers = _role_number(values, "order", faults)
    kind = plan.types[plan.roles["order"]]
    if kind == "int64" and is_text(values.type):
        return parse_numbers(values.cast(pa.string()), kind)[1]
    return cast(values, kind) if kind == "int64" else numbers


def _weight(values: pa.Array, plan: TablePlan, faults: _Faults) -> pa.Array:
    numbers = _role_number(values, "weight", faults)
    faults.add(pc.less(numbers, 0.0), "weight is negative", values)
    return numbers.cast(pa.float32(), safe=False)


def _split(values: pa.Array, plan: TablePlan, faults: _Faults) -> pa.Array:
    names = values.cast(pa.string())
    faults.add(pc.invert(pc.is_in(names, _SPLITS)), "split is not train, validation or test", values)
    return names


_ROLES = {"timestamp": _timestamp, "order": _order, "weight": _weight, "split": _split}


def clean_schema(plan: TablePlan) -> pa.Schema:
    """Schema of the clean table."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in plan.output_types().items()])
