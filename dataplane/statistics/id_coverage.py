"""Compares the ids of the interactions with those of a query or candidate table.

The comparison is exact and needs one shuffle of the distinct ids. Ids are sharded by the hash of their plain form
(`id_forms`), so equal ids and ids that differ only in spelling meet in the same shard.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataplane.artifacts.statistics import IdReport, Spelling
from dataplane.columns.columnar import (
    RowGroup,
    Spill,
    Spilled,
    merge_states,
    read_row_group,
    read_spilled,
    row_groups,
    single,
    string_columns,
)
from dataplane.columns.hashing import hash_strings
from dataplane.statistics.id_forms import differences, plain_forms
from models.spec.durable import write_atomically

ID_COLUMNS = {"queries": "query_id", "candidates": "candidate_id"}
_INTERACTIONS = "interactions"
_ROWS_A_SHARD = 1_000_000
_MOST_SHARDS = 512
_EXAMPLES = 3
_LONGEST_EXAMPLE = 60

Extent: TypeAlias = tuple[str, str] | None
"""The smallest and the largest of some ids; None if there are none."""


@dataclass(frozen=True)
class IdCoverage:
    """Common and differing ids of a table and the interactions. The coverages of two shards add up.

    Attributes:
        ids: number of distinct ids of the interactions.
        described: number of these ids that the table has.
        events: number of rows of the interactions.
        described_events: number of these rows whose id the table has.
        table_ids: number of distinct ids of the table.
        alike: number of ids of the interactions that the table has only in another spelling.
        undescribed: the most frequent ids of the interactions that the table lacks, as (-rows, id).
        unused: the smallest ids of the table that the interactions lack.
        spellings: the smallest of the `alike` ids, as (in the interactions, in the table).
        undescribed_extent: of all ids of the interactions that the table lacks.
        unused_extent: of all ids of the table that the interactions lack.
    """

    ids: int = 0
    described: int = 0
    events: int = 0
    described_events: int = 0
    table_ids: int = 0
    alike: int = 0
    undescribed: tuple[tuple[int, str], ...] = ()
    unused: tuple[str, ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()
    undescribed_extent: Extent = None
    unused_extent: Extent = None

    def __add__(self, other: "IdCoverage") -> "IdCoverage":
        merged = {field.name: _merged(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        for name in ("undescribed_extent", "unused_extent"):
            merged[name] = _wider(getattr(self, name), getattr(other, name))
        return IdCoverage(**merged)

    def report(self, column: str) -> IdReport:
        """The entry `ids` of `statistics.json`."""
        return IdReport(
            column=column,
            ids=self.ids,
            described=self.described,
            events=self.events,
            described_events=self.described_events,
            table_ids=self.table_ids,
            used=self.described,
            alike=self.alike,
            undescribed_examples=tuple(_cut(name) for _, name in self.undescribed),
            unused_examples=tuple(_cut(name) for name in self.unused),
            spellings=tuple(
                Spelling(interactions=_cut(one), table=_cut(other), differ_in=differences(one, other))
                for one, other in self.spellings
            ),
            undescribed_prefix=_prefix(self.undescribed_extent),
            unused_prefix=_prefix(self.unused_extent),
        )


def comparable_tables(shards: Mapping[str, Sequence[Path]]) -> list[str]:
    """The tables of queries and candidates whose ids are strings, like those of the interactions.

    Args:
        shards: Parquet files of each table.
    """
    return [
        table
        for table, column in ID_COLUMNS.items()
        if all(_has_strings(shards.get(name, ()), column) for name in (_INTERACTIONS, table))
    ]


def compare_ids(
    pipeline: beam.Pipeline, shards: Mapping[str, Sequence[Path]], table: str, *, spill: Path, target: Path
) -> None:
    """Adds to a pipeline the comparison of a table's ids with those of the interactions.

    Args:
        pipeline: the pipeline.
        shards: Parquet files of each table.
        table: `queries` or `candidates`.
        spill: directory for the shuffled ids.
        target: JSON file for the result.
    """
    column = ID_COLUMNS[table]
    sides = {_INTERACTIONS: row_groups(shards[_INTERACTIONS]), table: row_groups(shards[table])}
    rows = sum(pq.read_metadata(path).num_rows for side in sides for path in shards[side])
    divide = _Divide(column, min(_MOST_SHARDS, 1 + rows // _ROWS_A_SHARD), spill)
    parts = {
        side: pipeline | f"Ids_{table}_{side}" >> beam.Create(groups) | f"Divide_{table}_{side}" >> beam.ParDo(divide)
        for side, groups in sides.items()
    }
    states = parts | f"Join_{table}" >> beam.CoGroupByKey() | f"Compare_{table}" >> beam.MapTuple(_compare)
    merged = states | f"Merge_{table}" >> beam.ptransform_fn(merge_states)()
    _ = merged | f"Write_{table}" >> beam.MapTuple(partial(_write, column, target))


class _Divide(beam.DoFn):
    """Maps row groups to (shard, location of their distinct ids with counts)."""

    def __init__(self, column: str, shards: int, spill: Path) -> None:
        self._column = column
        self._shards = shards
        self._spill = spill

    def process(self, row_group: RowGroup) -> Iterator[tuple[int, Spilled]]:
        counted = _distinct(row_group, self._column)
        with Spill(self._spill) as file:
            parts = [(shard, file.write(part)) for shard, part in self._divided(counted)]
        yield from parts

    def _divided(self, counted: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        if self._shards == 1:
            yield 0, counted
            return
        shard = (hash_strings(plain_forms(single(counted["id"]))) % np.uint64(self._shards)).astype(np.int64)
        for number in np.unique(shard):
            yield int(number), counted.filter(pa.array(shard == number))


def _distinct(row_group: RowGroup, column: str) -> pa.Table:
    encoded = single(read_row_group(row_group, [column], [column])[column]).drop_null()
    counts = np.bincount(encoded.indices.to_numpy(), minlength=len(encoded.dictionary))
    table = pa.table({"id": encoded.dictionary.cast(pa.large_string()), "count": counts})
    return table.filter(pa.array(counts > 0))


def _compare(shard: int, grouped: Mapping[str, Iterable[Spilled]]) -> tuple[None, IdCoverage]:
    """Compares one shard of the ids; all shards get the same key, so that their results are merged."""
    sides = {name: _gathered(read_spilled(parts)) for name, parts in grouped.items()}
    events = sides.pop(_INTERACTIONS)
    (listed,) = sides.values()
    known = pc.is_in(events["id"], value_set=listed["id"])
    undescribed = events.filter(pc.invert(known))
    unused = listed.filter(pc.invert(pc.is_in(listed["id"], value_set=events["id"])))["id"]
    spellings = _spellings(undescribed["id"], unused)
    by_frequency = pc.sort_indices(undescribed, [("count", "descending"), ("id", "ascending")])
    return None, IdCoverage(
        ids=len(events),
        described=len(events) - len(undescribed),
        events=pc.sum(events["count"], min_count=0).as_py(),
        described_events=pc.sum(events.filter(known)["count"], min_count=0).as_py(),
        table_ids=len(listed),
        alike=len(spellings),
        undescribed=tuple((-row["count"], row["id"]) for row in undescribed.take(by_frequency[:_EXAMPLES]).to_pylist()),
        unused=tuple(unused.take(pc.sort_indices(unused)[:_EXAMPLES]).to_pylist()),
        spellings=tuple((row["one"], row["other"]) for row in spellings.slice(0, _EXAMPLES).to_pylist()),
        undescribed_extent=_extent(undescribed["id"]),
        unused_extent=_extent(unused),
    )


def _gathered(parts: pa.Table | None) -> pa.Table:
    """The distinct ids with the sums of their counts."""
    if parts is None:
        return pa.table({"id": pa.array([], pa.large_string()), "count": pa.array([], pa.int64())})
    return parts.group_by("id").aggregate([("count", "sum")]).rename_columns({"count_sum": "count"}).combine_chunks()


def _spellings(undescribed: pa.ChunkedArray, unused: pa.ChunkedArray) -> pa.Table:
    """Ids of the interactions, ascending, with the first id of the table that has the same plain form."""
    ones = pa.table({"one": undescribed, "plain": plain_forms(single(undescribed))})
    others = pa.table({"other": unused, "plain": plain_forms(single(unused))})
    first = others.group_by("plain").aggregate([("other", "min")])
    return ones.join(first, "plain", join_type="inner").rename_columns({"other_min": "other"}).sort_by("one")


def _extent(ids: pa.ChunkedArray) -> Extent:
    found = pc.min_max(ids).as_py()
    return None if found["min"] is None else (found["min"], found["max"])


def _merged(one: Any, other: Any) -> Any:
    return one + other if isinstance(one, int) else tuple(sorted((*(one or ()), *(other or ())))[:_EXAMPLES])


def _wider(one: Extent, other: Extent) -> Extent:
    found = [extent for extent in (one, other) if extent is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def _prefix(extent: Extent) -> str:
    """Common prefix of all ids of an extent, cut at the last character that is not a digit.

    For example, the extent ("item 10", "item 19") has the prefix "item ".
    """
    if extent is None or extent[0] == extent[1]:
        return ""
    low, high = extent
    common = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return _cut(low[:common].rstrip("0123456789"))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_EXAMPLE else f"{text[:_LONGEST_EXAMPLE]}…"


def _has_strings(files: Sequence[Path], column: str) -> bool:
    schemas = [pq.read_schema(path) for path in files]
    return bool(files) and all(column in schema.names and string_columns(schema, [column]) for schema in schemas)


def _write(column: str, target: Path, _: None, state: IdCoverage) -> None:
    write_atomically(target, json.dumps(state.report(column).model_dump(mode="json"), ensure_ascii=False))
