"""Pivots tables in long form, one property per row, to one row per entity with the last value of each property."""

import difflib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.errors import DataError
from dataplane.errors.messages import listed, shown
from dataplane.sources.ingestion.clean import carried_name
from dataplane.sources.ingestion.entities import PIECE, ROW
from dataplane.sources.ingestion.moment_texts import TIMESTAMP
from dataplane.sources.ingestion.moments import to_moments
from dataplane.sources.ingestion.number_texts import parse_numbers
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.ingestion.reports import Report

_SEEN = "properties"
_MOST_NOTED = 1000
_PROPERTY = "\0property"
_VALUE = "\0value"
_MOMENT = "\0moment"


def needed_rows(
    batch: pa.RecordBatch, position: np.ndarray, plan: TablePlan, report: Report
) -> tuple[pa.RecordBatch, np.ndarray]:
    """Selects the rows that a pivot needs, and counts the others in the report.

    Args:
        batch: clean rows of a table in long form.
        position: row number in the file of each row, int64 `[rows]`.
        plan: plan of these rows.
        report: counts rows that come too late, and rows of properties that are not kept. Of the latter each batch
            leaves one for each entity, which is there even if nothing is known of it. Notes which properties there are.
    """
    assert plan.pivot is not None
    moments = batch.column("timestamp") if plan.roles else pa.array(np.zeros(len(position), np.int64)).cast(TIMESTAMP)
    names, values = (batch.column(carried_name(name, plan)) for name in (plan.pivot.property, plan.pivot.value))
    [id_column] = plan.ids
    known = pc.is_in(names, pa.array(plan.pivot.keep))
    _note_properties(pc.unique(names), pc.unique(names.filter(known)), report)
    rows = pa.RecordBatch.from_pydict(
        {
            id_column: batch.column(id_column), _PROPERTY: pc.if_else(known, names, None),
            _VALUE: pc.if_else(known, values, None), _MOMENT: moments.cast(pa.int64()),
        }
    )  # fmt: skip
    early = np.ones(len(position), bool)
    if plan.pivot.before is not None:
        cut = pa.scalar(plan.pivot.before, TIMESTAMP)
        early = pc.less(moments, cut).to_numpy(zero_copy_only=False)
    needed = early & known.to_numpy(zero_copy_only=False)
    others = np.flatnonzero(early & ~needed)
    encoded = batch.column(id_column).take(pa.array(others)).dictionary_encode()
    needed[others[np.unique(encoded.indices.to_numpy(), return_index=True)[1]]] = True
    report.filtered += int((~early).sum())
    report.merged += int((early & ~needed).sum())
    return rows.filter(pa.array(needed)), position[needed]


def check_properties(plan: TablePlan, reports: Iterable[Report]) -> None:
    """Refuses properties that no row of a table in long form has, as they are probably misspelt.

    Raises:
        DataError: `pivot.keep` names one.
    """
    assert plan.pivot is not None
    found = set().union(*(report.seen.get(_SEEN, ()) for report in reports))
    for name in plan.pivot.keep:
        if name not in found:
            close = difflib.get_close_matches(name, found, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            there = listed([shown(other, 40) for other in sorted(found)])
            raise DataError(
                f"{plan.table}: no row has the property {name!r} that pivot.keep names{hint}; column "
                f"{plan.pivot.property!r} has {there or 'no value'}"
            )


def _note_properties(names: pa.Array, kept: pa.Array, report: Report) -> None:
    """Adds the properties of a batch to its report: all kept ones, and enough of the others for a message."""
    noted = set(report.seen.get(_SEEN, ()))
    others = set(names.drop_null().slice(0, _MOST_NOTED).to_pylist()) - noted
    more = sorted(others)[: max(0, _MOST_NOTED - len(noted))]
    report.seen[_SEEN] = sorted(noted.union(more, kept.to_pylist()))


def pivoted(rows: pa.Table, plan: TablePlan) -> pa.Table:
    """Makes one row per id, sorted by id. Of values with the same timestamp, the last in the files counts.

    Example: the rows (a, age, 3), (a, age, 4), (b, size, 9) become (a, age 4, size null), (b, age null, size 9).

    Args:
        rows: all rows of some ids that `needed_rows` selected, with the columns of `SOURCE_ORDER`.
        plan: plan of the pivoted rows.
    """
    [id_column] = plan.ids
    order = (id_column, _PROPERTY, _MOMENT, PIECE, ROW)
    rows = rows.combine_chunks().sort_by([(name, "ascending") for name in order])
    # null sorts after every name, and "" is never the name of a kept property
    ids, names = rows[id_column], pc.fill_null(rows[_PROPERTY], "")
    last = np.ones(len(rows), bool)
    if len(rows) > 1:
        changes = pc.or_(pc.not_equal(ids[1:], ids[:-1]), pc.not_equal(names[1:], names[:-1]))
        last[:-1] = changes.to_numpy()
    latest = rows.filter(pa.array(last))
    entities = pc.unique(ids)
    columns = {id_column: entities}
    for name in plan.kept:
        own = latest.filter(pc.fill_null(pc.equal(latest[_PROPERTY], name), False)).combine_chunks()
        place = pc.index_in(entities, own[id_column])
        columns[name] = _typed(own[_VALUE].combine_chunks().take(place), name, plan)
    return pa.table(columns)


def _typed(values: pa.Array, name: str, plan: TablePlan) -> pa.Array:
    if name in plan.separators:
        return pc.split_pattern(values, plan.separators[name])
    if plan.types[name] == "timestamp":
        return to_moments(values, "iso", plan.date_formats.get(name))[1]
    return parse_numbers(values)[1] if plan.types[name] == "float64" else values
