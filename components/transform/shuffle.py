"""Shuffles the events once: groups and orders the events of every query.

The leading bits of a query's hash decide its shard. The concatenated shards are therefore in the global order of
queries, whatever their number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.transform.analysis import analyse
from components.transform.event_order import event_order
from components.transform.event_schema import ORDER, SPLIT, EventSchema, event_columns, read_roles
from components.transform.splits import TRAIN, SplitInputs, Splitter, events_after
from dataplane.columns.columnar import (
    Mergeable,
    RowGroup,
    Spill,
    Spilled,
    read_arrow,
    read_row_group,
    read_spilled,
    single,
    write_arrow,
)
from dataplane.columns.event_columns import context_columns
from dataplane.columns.hashing import hash_pairs, hash_strings
from dataplane.dataset.id_index import IdIndex
from dataplane.dataset.sequences import read_ids
from models.ragged import offsets_of
from models.spec.features import CANDIDATE_ID, QUERY_ID, TIMESTAMP, Feature

MappedEvents: TypeAlias = tuple[Spilled, str]
"""Spilled events whose candidates have numbers of their own, and the file that maps these to rows of the catalogue."""


class PartitionEvents(beam.DoFn):
    """Maps row groups of interactions to (shard, spilled events), at most one per shard."""

    def __init__(self, schema: EventSchema, shards: int, catalogue: Path, spill: Path) -> None:
        self._schema = schema
        self._shards = shards
        self._catalogue = catalogue
        self._spill = spill
        self._candidates: IdIndex | None = None

    def setup(self) -> None:
        """Loads the catalogue."""
        self._candidates = IdIndex(read_ids(self._catalogue))

    def process(self, row_group: RowGroup) -> list[tuple[int, Spilled]]:
        """Divides one row group."""
        assert self._candidates is not None
        table = read_roles(row_group, self._schema)
        query = single(table[QUERY_ID])
        rows = self._candidates.rows(single(table[CANDIDATE_ID]))
        payload = {"candidate": pa.array(rows), **event_columns(table, self._schema)}
        return divide(query, pa.table(payload), self._shards, self._spill)


class PartitionQueries(beam.DoFn):
    """Maps row groups of the query table to (shard, spilled ids), to keep queries without events."""

    def __init__(self, shards: int, spill: Path) -> None:
        self._shards = shards
        self._spill = spill

    def process(self, row_group: RowGroup) -> list[tuple[int, Spilled]]:
        """Divides one row group."""
        table = read_row_group(row_group, [QUERY_ID], [QUERY_ID])
        no_columns = pa.table({"row": np.zeros(len(table), bool)})
        return divide(single(table[QUERY_ID]), no_columns, self._shards, self._spill)


@dataclass(frozen=True)
class OrderShard:
    """Sorts the events of a shard, splits them and writes `events-SHARD.arrow` and `queries-SHARD.arrow`.

    Attributes:
        directory: directory of both files.
        catalogue: directory of the candidate ids.
        splitter: assigns events to splits.
        limit: number of latest events that are kept of each query.
        features: context features to analyse over the training events.
    """

    directory: Path
    catalogue: Path
    splitter: Splitter
    limit: int
    features: Mapping[str, Feature] = field(default_factory=dict)

    def __call__(self, shard: int, grouped: Mapping[str, Iterable[Spilled]]) -> Iterator[tuple[str, Mergeable]]:
        """Writes the files of one shard and yields the states of the context features over its training events."""
        events, known = read_events(grouped["events"]), read_spilled(grouped["queries"])
        ids, hashes, ranks = _ranked([table["query"] for table in (events, known) if table is not None])
        all_counts = counts = np.zeros(len(ids), np.int64)
        if events is not None:
            queries = ranks[: len(events)]
            if QUERY_ID not in {feature.column or name for name, feature in self.features.items()}:
                events = events.drop_columns("query")
            all_counts = np.bincount(queries, minlength=len(ids))
            counts = np.minimum(all_counts, self.limit)
            candidate_hashes = hash_strings(read_ids(self.catalogue))
            ordered, row_hashes = _sorted(events, queries, hashes, candidate_hashes)
            if len(events) > counts.sum():
                latest = events_after(offsets_of(all_counts)) < self.limit
                ordered, row_hashes = ordered.filter(pa.array(latest)), row_hashes[latest]
            offsets = offsets_of(counts)
            codes = self.splitter.codes(_split_inputs(ordered, offsets, hashes, row_hashes))
            write_arrow(self.directory / f"events-{shard:05d}.arrow", _outcome(ordered, codes))
            yield from self._analyse(ordered, codes == TRAIN, row_hashes)
        table = pa.table({"id": ids, "count": counts, "left_out": all_counts - counts})
        write_arrow(self.directory / f"queries-{shard:05d}.arrow", table)

    def _analyse(self, events: pa.Table, train: np.ndarray, row_hashes: np.ndarray) -> Iterator[tuple[str, Mergeable]]:
        if self.features:
            columns = context_columns(events).filter(pa.array(train))
            yield from analyse(self.features, columns, row_hashes[train])


def read_events(parts: Iterable[Spilled | MappedEvents]) -> pa.Table | None:
    """Concatenates spilled events; None if there are none.

    Candidates of `MappedEvents` become rows of the catalogue. For example, the numbers 0, 1, 0 with the mapping
    `[7, 4]` become 7, 4, 7.
    """
    tables = []
    for part in parts:
        spilled, mapping = part if len(part) == 2 else (part, "")
        table = read_spilled([spilled])
        assert table is not None
        if mapping:
            place = table.column_names.index("candidate")
            rows = single(read_arrow(Path(mapping))["row"]).take(single(table["candidate"]))
            table = table.set_column(place, "candidate", rows)
        tables.append(table)
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks() if tables else None


def divide(query: pa.DictionaryArray, columns: pa.Table, shards: int, spill: Path) -> list[tuple[int, Spilled]]:
    """Divides rows by shard. Each part keeps only the dictionary entries of queries that it needs."""
    with Spill(spill) as file:
        return [(shard, file.write(part)) for shard, part in _parts(query, columns, shards)]


def _parts(query: pa.DictionaryArray, columns: pa.Table, shards: int) -> Iterator[tuple[int, pa.Table]]:
    """Yields each shard with its rows; dictionary entries and rows are sorted by shard once and then sliced.

    Example: rows of the queries a, b, a, where a lies in shard 1 and b in shard 0, give (0, row 1) with the dictionary
    [b], and (1, rows 0 and 2) with the dictionary [a].
    """
    indices = query.indices.to_numpy(zero_copy_only=False)
    used = np.bincount(indices, minlength=len(query.dictionary)) > 0
    shard = np.where(used, _shard_of(hash_strings(query.dictionary), shards), np.uint16(shards))
    # NumPy sorts 16-bit integers by radix, in linear time.
    entries = np.argsort(shard, kind="stable")
    place = np.empty(len(entries), np.int32)
    place[entries] = np.arange(len(entries), dtype=np.int32)
    dictionary = query.dictionary.take(pa.array(entries)).cast(pa.large_string())
    entry_starts = np.searchsorted(shard[entries], np.arange(shards + 1))
    row_shard = shard[indices]
    order = np.argsort(row_shard, kind="stable")
    row_starts = offsets_of(np.bincount(row_shard, minlength=shards))
    columns, places = columns.take(pa.array(order)), place[indices][order]
    for number in np.flatnonzero(np.diff(row_starts)):
        start, end = row_starts[number], row_starts[number + 1]
        first, last = entry_starts[number], entry_starts[number + 1]
        ids = pa.DictionaryArray.from_arrays(places[start:end] - first, dictionary[first:last])
        part = columns.slice(start, end - start)
        yield int(number), _with_small_dictionaries(part).append_column("query", ids)


def _with_small_dictionaries(part: pa.Table) -> pa.Table:
    for i, column in enumerate(part.columns):
        if pa.types.is_dictionary(column.type):
            part = part.set_column(i, part.column_names[i], column.cast(column.type.value_type).dictionary_encode())
    return part


def _shard_of(hashes: np.ndarray, shards: int) -> np.ndarray:
    """Shard of each hash by its leading 32 bits, uint16. A greater hash never lies in an earlier shard.

    Example: of two shards, hashes below 2^63 lie in shard 0.
    """
    return ((hashes >> np.uint64(32)) * np.uint64(shards) >> np.uint64(32)).astype(np.uint16)


def _ranked(columns: Sequence[pa.ChunkedArray]) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Distinct query ids in order of hash, their hashes, and the position of each row's query among them.

    Example: rows b, a, b, where the hash of a is smaller, give `[a, b]`, their hashes, and `[1, 0, 1]`.
    """
    encoded = pa.chunked_array([chunk for column in columns for chunk in column.chunks]).unify_dictionaries()
    dictionary = encoded.chunk(0).dictionary
    hashes = hash_strings(dictionary)
    table = pa.table({"hash": hashes, "id": dictionary})
    order = pc.sort_indices(table, [("hash", "ascending"), ("id", "ascending")]).to_numpy()
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    indices = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks])
    return dictionary.take(pa.array(order)), hashes[order], place[indices]


def _sorted(
    events: pa.Table, queries: np.ndarray, query_hashes: np.ndarray, candidate_hashes: np.ndarray
) -> tuple[pa.Table, np.ndarray]:
    """Sorts the events; returns them with a hash of the query, candidate and time of each."""
    candidate = events["candidate"].to_numpy()
    pair = hash_pairs(query_hashes[queries], candidate_hashes[candidate])
    keys = [events[name].to_numpy() for name in (TIMESTAMP, ORDER) if name in events.column_names]
    rest = events.drop_columns(
        [name for name in ("query", "candidate", TIMESTAMP, ORDER) if name in events.column_names]
    )
    order = event_order(queries, [*keys, pair, candidate], rest)
    ordered, pair = events.take(pa.array(order)), pair[order]
    if TIMESTAMP not in events.column_names:
        return ordered, pair
    return ordered, hash_pairs(pair, ordered[TIMESTAMP].to_numpy().view(np.uint64))


def _split_inputs(
    events: pa.Table, offsets: np.ndarray, query_hashes: np.ndarray, row_hashes: np.ndarray
) -> SplitInputs:
    given = {name: events[name].to_numpy() for name in (TIMESTAMP, SPLIT) if name in events.column_names}
    return SplitInputs(offsets, query_hashes, row_hashes, given.get(TIMESTAMP), given.get(SPLIT))


def _outcome(events: pa.Table, codes: np.ndarray) -> pa.Table:
    kept = events.drop_columns([name for name in (ORDER, SPLIT) if name in events.column_names])
    return kept.append_column("split", pa.array(codes))
