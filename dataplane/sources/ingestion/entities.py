"""Keeps one row per query or candidate: the first in a given order, however rows are batched."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.columns.hashing import hash_pairs, hash_strings
from dataplane.sources.ingestion.clean import carried_name
from dataplane.sources.ingestion.plan import TablePlan

PIECE = "\0piece"
ROW = "\0row"
SOURCE_ORDER = (PIECE, ROW)
"""Order of the rows in the files."""
EVENT_ORDER = ("\0timestamp", "\0order", "\0hash", PIECE, ROW)
"""Order of events: by time, then order column, then hash of query and candidate, as everywhere in the pipeline."""


def with_source_order(batch: pa.RecordBatch, piece: int, position: np.ndarray) -> pa.Table:
    """Adds the columns of `SOURCE_ORDER`."""
    table = pa.Table.from_batches([batch])
    table = table.append_column(PIECE, pa.array(np.full(len(position), piece, np.int32)))
    return table.append_column(ROW, pa.array(position))


def described_by_events(
    batch: pa.RecordBatch, plan: TablePlan, id_column: str, columns: Sequence[str], piece: int, position: np.ndarray
) -> pa.Table:
    """Takes the columns that describe queries or candidates from clean interactions, with those of `EVENT_ORDER`."""
    zeros = pa.array(np.zeros(batch.num_rows, np.int64))
    pairs = hash_pairs(hash_strings(batch.column("query_id")), hash_strings(batch.column("candidate_id")))
    described = {id_column: batch.column(id_column)}
    described.update({name: batch.column(carried_name(name, plan)) for name in columns})
    described["\0timestamp"] = batch.column("timestamp").cast(pa.int64()) if "timestamp" in plan.roles else zeros
    described["\0order"] = batch.column("order") if "order" in plan.roles else zeros
    described["\0hash"] = pa.array(pairs)
    return with_source_order(pa.RecordBatch.from_pydict(described), piece, position)


def first_of_each(table: pa.Table, id_column: str, order: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Splits rows into the first row of each id, sorted by id, and all other rows.

    Example of (id, row), ordered by row: (b, 0), (a, 1), (b, 2) → first (a, 1), (b, 0); others (b, 2).
    """
    table = table.combine_chunks().sort_by([(name, "ascending") for name in (id_column, *order)])
    ids = table.column(id_column)
    first = np.ones(len(ids), bool)
    if len(ids) > 1:
        first[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy()
    return table.filter(pa.array(first)), table.filter(pa.array(~first))


def by_shard(table: pa.Table, id_column: str, shards: int) -> Iterator[tuple[int, pa.Table]]:
    """Divides rows among shards by the hash of the id, so all rows of an id are in one shard."""
    shard = (hash_strings(table.column(id_column)) % np.uint64(shards)).astype(np.int64)
    for number in np.unique(shard):
        yield int(number), table.filter(pa.array(shard == number))
