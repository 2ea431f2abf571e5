"""Joins the files of the shards into the flat arrays of TransformedExamples, one shard in memory at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.transform.splits import TRAIN
from dataplane.columns.columnar import read_arrow
from dataplane.dataset.sequences import SPLITS, concatenate_npy, write_ids
from models.ragged import offsets_of, row_sums


@dataclass(frozen=True)
class Consolidated:
    """Counts of the consolidated events.

    Attributes:
        queries: ids of the queries in their final order.
        candidate_counts: training events of each candidate, int64 `[candidates]`.
        query_counts: training events of each query, int64 `[queries]`.
        split_counts: events of each split, int64 `[len(SPLITS)]`.
        shards: file of each shard with events, and the shard's first row in the flat arrays.
        time_range: first and last timestamp in microseconds UTC, or None if events have no timestamp.
        left_out: how many queries exceed the limit of events, and how many of their events were dropped.
    """

    queries: pa.Array
    candidate_counts: np.ndarray
    query_counts: np.ndarray
    split_counts: np.ndarray
    shards: list[tuple[str, int]]
    time_range: tuple[int, int] | None
    left_out: tuple[int, int]

    def __len__(self) -> int:
        return int(self.split_counts.sum())


def consolidate(shards: Path, target: Path, candidates: int) -> Consolidated:
    """Writes `candidates/train_count.npy`, and `events/` and `queries/` without the encoded columns.

    Args:
        shards: directory with the files of `shuffle.OrderShard`.
        target: directory of the TransformedExamples.
        candidates: number of candidates.
    """
    files = sorted(shards.glob("events-*.arrow"))
    tables = [read_arrow(path) for path in files]
    starts = offsets_of(np.array([len(table) for table in tables], np.int64))
    names = [name for name in ("candidate", "split", "timestamp", "weight") if name in tables[0].column_names]
    for name in names:
        arrays = (table[name].to_numpy() for table in tables)
        concatenate_npy(arrays, target / "events" / f"{name}.npy", int(starts[-1]))
    queries = [read_arrow(path) for path in sorted(shards.glob("queries-*.arrow"))]
    ids, sizes = pa.concat_tables(queries)["id"].combine_chunks(), [table["count"].to_numpy() for table in queries]
    left_out = np.concatenate([table["left_out"].to_numpy() for table in queries])
    write_ids(target / "queries", ids)
    np.save(target / "queries" / "offsets.npy", offsets_of(np.concatenate(sizes)))
    candidate_counts = sum((_train_counts(table, candidates) for table in tables), np.zeros(candidates, np.int64))
    (target / "candidates").mkdir(parents=True, exist_ok=True)
    np.save(target / "candidates" / "train_count.npy", candidate_counts)
    with_events = iter(tables)
    return Consolidated(
        queries=ids,
        candidate_counts=candidate_counts,
        query_counts=np.concatenate(
            [_query_counts(next(with_events), counts) if counts.any() else counts for counts in sizes]
        ),
        split_counts=sum((_split_counts(table) for table in tables), np.zeros(len(SPLITS), np.int64)),
        shards=[(str(path), int(start)) for path, start in zip(files, starts[:-1], strict=True)],
        time_range=_time_range(tables) if "timestamp" in names else None,
        left_out=(int(np.count_nonzero(left_out)), int(left_out.sum())),
    )


def _train_counts(events: pa.Table, candidates: int) -> np.ndarray:
    train = events["split"].to_numpy() == TRAIN
    return np.bincount(events["candidate"].to_numpy()[train], minlength=candidates)


def _split_counts(events: pa.Table) -> np.ndarray:
    return np.bincount(events["split"].to_numpy(), minlength=len(SPLITS))


def _query_counts(events: pa.Table, counts: np.ndarray) -> np.ndarray:
    """Training events of each query of a shard, int64 `[queries]`.

    Example: with splits train, test, train of queries that have 2 and 1 events, the result is `[1, 1]`.
    """
    return row_sums(events["split"].to_numpy() == TRAIN, offsets_of(counts))


def _time_range(tables: list[pa.Table]) -> tuple[int, int]:
    columns: Iterator[np.ndarray] = (table["timestamp"].to_numpy() for table in tables)
    extremes = [(int(times.min()), int(times.max())) for times in columns]
    return min(first for first, _ in extremes), max(last for _, last in extremes)
