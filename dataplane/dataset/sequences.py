"""Reads and writes TransformedExamples: the events of every query, in order, as flat arrays.

    events/      candidate.npy int32 (row in candidates/), split.npy int8, and if the data have them
                 timestamp.npy int64 (microseconds UTC), weight.npy float32, context.COLUMN.npy [events, width]
    queries/     ids.arrow, offsets.npy int64 [queries + 1] into events/, COLUMN.npy [queries, width]
    candidates/  ids.arrow, COLUMN.npy [candidates, width], train_count.npy int64
    metadata.json

Queries are ordered by (hash of the id, id), candidates by id, and the events of a query by (time, order column, hash of
query and candidate). Arrays are memory-mapped, so data may exceed memory. Storage is linear in the events.
"""

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from dataplane.artifacts import TransformedExamples
from dataplane.artifacts.transformed_examples import DatasetMetadata
from models.ragged import concatenate_ranges, offsets_of, row_ranges, row_sums, rows_of

Split: TypeAlias = Literal["train", "validation", "test", "history"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "history")
"""The codes in `split.npy` are positions in this tuple. `history` are the earlier events of queries that are held out
as a whole. They are never trained on and never predicted; they are the model's input for such a query."""

_CONTEXT = "context."


@dataclass(frozen=True)
class Events:
    """Events of all queries: those of query `q` are `offsets[q]:offsets[q + 1]`, oldest first.

    Attributes:
        offsets: int64 `[queries + 1]`.
        candidate: int32 `[events]`, row of the candidate.
        split: int8 `[events]`, position in `SPLITS`.
        timestamp: microseconds UTC, int64 `[events]`; None if the data have none.
        weight: float32 `[events]`; None if all are 1.
        context: encoded context columns, each `[events, width]`.
    """

    offsets: np.ndarray
    candidate: np.ndarray
    split: np.ndarray
    timestamp: np.ndarray | None = None
    weight: np.ndarray | None = None
    context: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.candidate)

    def queries(self) -> np.ndarray:
        """Query row of every event, int64 `[events]`."""
        return rows_of(self.offsets)

    def pairs(self, catalogue: int) -> np.ndarray:
        """One number per (query, candidate) pair, int64 `[events]`: `query * catalogue + candidate`.

        Args:
            catalogue: number of candidates.
        """
        numbers: np.ndarray = self.queries() * catalogue + self.candidate
        return numbers

    def bare(self) -> "Events":
        """The same events without timestamps, weights and context."""
        return replace(self, timestamp=None, weight=None, context={})

    def select(self, splits: Collection[Split], *, into: Path | None = None) -> "Events":
        """Selects the events of the given splits and keeps the order of queries and events.

        Args:
            splits: the splits.
            into: an empty directory for the arrays, which are then memory-mapped; if absent they are held in memory.
        """
        if set(splits) == set(SPLITS):
            return self
        codes = [SPLITS.index(name) for name in splits]
        ranges = list(row_ranges(self.offsets))
        parts = [slice(*self.offsets[[first, last]]) for first, last in ranges]
        sizes = [self._kept_sizes(first, last, codes) for first, last in ranges]
        offsets = offsets_of(np.concatenate([np.empty(0, np.int64), *sizes]))

        def kept(name: str, values: np.ndarray) -> np.ndarray:
            chosen = chain([values[:0]], (values[part][np.isin(self.split[part], codes)] for part in parts))
            if into is None:
                return np.concatenate(list(chosen))
            concatenate_npy(chosen, into / f"{name}.npy", int(offsets[-1]))
            return _read_array(into / f"{name}.npy")

        return Events(
            offsets=offsets,
            candidate=kept("candidate", self.candidate),
            split=kept("split", self.split),
            timestamp=None if self.timestamp is None else kept("timestamp", self.timestamp),
            weight=None if self.weight is None else kept("weight", self.weight),
            context={name: kept(_CONTEXT + name, values) for name, values in self.context.items()},
        )

    def take(self, queries: np.ndarray) -> "Events":
        """The events of the given queries, which become the queries of the result in this order."""
        starts, ends = self.offsets[queries], self.offsets[queries + 1]
        _, rows = concatenate_ranges(starts, ends)
        return Events(
            offsets=offsets_of(ends - starts),
            candidate=self.candidate[rows],
            split=self.split[rows],
            timestamp=None if self.timestamp is None else self.timestamp[rows],
            weight=None if self.weight is None else self.weight[rows],
            context={name: values[rows] for name, values in self.context.items()},
        )

    def _kept_sizes(self, first: int, last: int, codes: Sequence[int]) -> np.ndarray:
        offsets = self.offsets[first : last + 1]
        kept = np.isin(self.split[offsets[0] : offsets[-1]], codes)
        return row_sums(kept, offsets)


@dataclass(frozen=True)
class Entities:
    """Queries or candidates: row `i` of every column belongs to `ids[i]`.

    Attributes:
        ids: strings, as `pyarrow.LargeStringArray`.
        columns: encoded columns by name, each `[rows, width]`, int32 tokens or float32.
    """

    ids: pa.Array
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Dataset:
    """The content of a TransformedExamples artifact.

    Attributes:
        metadata: whether the events of a query have an order, the settings of the split, counts.
        train_count: number of training events of each candidate, int64 `[candidates]`.
    """

    events: Events
    queries: Entities
    candidates: Entities
    train_count: np.ndarray
    metadata: DatasetMetadata

    @property
    def ordered(self) -> bool:
        """Whether events have an order; otherwise the events of a query are a bag."""
        return self.metadata.ordered


def read_dataset(artifact: TransformedExamples) -> Dataset:
    """Opens the artifact; arrays are memory-mapped and read-only."""
    events, queries, candidates = (_read_arrays(artifact.path / name) for name in ("events", "queries", "candidates"))
    offsets, train_count = queries.pop("offsets"), candidates.pop("train_count")
    context = {name.removeprefix(_CONTEXT): events.pop(name) for name in list(events) if name.startswith(_CONTEXT)}
    return Dataset(
        events=Events(offsets=offsets, context=context, **events),
        queries=Entities(read_ids(artifact.path / "queries"), queries),
        candidates=Entities(read_ids(artifact.path / "candidates"), candidates),
        train_count=train_count,
        metadata=DatasetMetadata.read(artifact),
    )


def write_dataset(artifact: TransformedExamples, dataset: Dataset) -> None:
    """Writes a dataset that is in memory."""
    context = {_CONTEXT + name: values for name, values in dataset.events.context.items()}
    event_arrays = {name: getattr(dataset.events, name) for name in ("candidate", "split", "timestamp", "weight")}
    _write_arrays(artifact.path / "events", event_arrays | context)
    _write_arrays(artifact.path / "queries", {"offsets": dataset.events.offsets, **dataset.queries.columns})
    _write_arrays(artifact.path / "candidates", {"train_count": dataset.train_count, **dataset.candidates.columns})
    write_ids(artifact.path / "queries", dataset.queries.ids)
    write_ids(artifact.path / "candidates", dataset.candidates.ids)
    dataset.metadata.write(artifact)


def read_entities(directory: Path) -> Entities:
    """Opens the ids and encoded columns of a directory, memory-mapped."""
    return Entities(read_ids(directory), _read_arrays(directory))


def read_ids(directory: Path) -> pa.Array:
    """The ids in `directory/ids.arrow`, memory-mapped."""
    with pa.memory_map(str(directory / "ids.arrow")) as source:
        ids = pa.ipc.open_file(source).read_all()["id"].combine_chunks()
    return ids.chunk(0) if isinstance(ids, pa.ChunkedArray) else ids


def write_ids(directory: Path, ids: pa.Array) -> None:
    """Writes ids as `directory/ids.arrow`, one uncompressed Arrow record batch."""
    directory.mkdir(parents=True, exist_ok=True)
    table = pa.table({"id": ids.cast(pa.large_string())})
    with pa.OSFile(str(directory / "ids.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def concatenate_npy(parts: Iterable[np.ndarray], target: Path, rows: int) -> None:
    """Concatenates arrays into one `.npy` file with one array in memory at a time.

    Args:
        parts: at least one array; all have the same dtype and trailing shape.
        target: the file to write.
        rows: total length along the first axis.

    Raises:
        ValueError: the parts do not have `rows` rows in total.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived = 0
    with target.open("wb") as file:
        for part in parts:
            if not file.tell():
                _write_header(file, part.dtype, (rows, *part.shape[1:]))
            file.write(np.ascontiguousarray(part).data)
            arrived += len(part)
    if arrived != rows:
        raise ValueError(f"{target.name}: expected {rows} rows, got {arrived}")


def allocate_npy(target: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Creates a `.npy` file of zeros that several processes can memory-map and fill.

    Reserves the blocks of the file, because a full disk would kill a process that writes into a map of a sparse file.

    Raises:
        OSError: the disk is full.
    """
    with target.open("wb") as file:
        _write_header(file, dtype, shape)
        file.flush()
        size = math.prod(shape) * dtype.itemsize
        if size:
            os.posix_fallocate(file.fileno(), file.tell(), size)


def _write_header(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    description = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(file, {"descr": description, "fortran_order": False, "shape": shape})


def _read_arrays(directory: Path) -> dict[str, np.ndarray]:
    return {file.stem: _read_array(file) for file in sorted(directory.glob("*.npy"))}


def _read_array(file: Path) -> np.ndarray:
    # An empty file cannot be memory-mapped.
    values: np.ndarray = np.load(file, mmap_mode="r" if file.stat().st_size > 4096 else None, allow_pickle=False)
    return values


def _write_arrays(directory: Path, arrays: Mapping[str, np.ndarray | None]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        if values is not None:
            np.save(directory / f"{name}.npy", values, allow_pickle=False)
