"""Applies the saved preprocessing to whole columns on Beam; each batch writes its rows of the final arrays.

Batches write disjoint rows with fixed content, so retried bundles are safe.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tensorflow as tf
from apache_beam.utils.shared import Shared

from dataplane.columns.columnar import RowGroup, read_arrow, read_row_group, row_groups, single, slices
from dataplane.columns.event_columns import context_columns
from dataplane.columns.raw_features import plain_column, raw_features
from dataplane.context import BeamRunner
from dataplane.dataset.id_index import IdIndex
from dataplane.dataset.sequences import allocate_npy, read_ids
from models.preprocessing.preprocessing import encode, load_preprocessing
from models.spec.features import CANDIDATE_ID, QUERY_ID, EncodedSpec, Feature, Side

BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class Encoder:
    """The saved preprocessing of one side, loaded once per process.

    Attributes:
        saved_model: its directory.
        spec: the encoded columns.
        side: the side to encode.
        shared: common to all encoders of a pipeline.
    """

    saved_model: Path
    spec: EncodedSpec
    side: Side
    shared: Shared

    @property
    def features(self) -> dict[str, Feature]:
        """The features of the side by name."""
        return self.spec.features.of(self.side)

    def source_columns(self) -> list[str]:
        """The distinct source columns of the features."""
        return sorted(set(self.spec.features.columns(self.side).values()))

    def load(self) -> tf.Module:
        """The loaded module."""
        return self.shared.acquire(lambda: load_preprocessing(self.saved_model))

    def allocate(self, directory: Path, prefix: str, rows: int) -> None:
        """Creates the arrays `directory/PREFIXcolumn.npy`, filled with zeros, for the encoded rows."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, column in self.spec.of(self.side).items():
            dtype = np.dtype(np.int32 if column.kind == "tokens" else np.float32)
            allocate_npy(directory / f"{prefix}{name}.npy", dtype, (rows, column.width))

    def encode(self, module: tf.Module, columns: pa.Table) -> dict[str, np.ndarray]:
        """Encodes rows; each distinct value of a column is encoded only once."""
        raw: dict[str, np.ndarray] = {}
        indices: dict[str, np.ndarray] = {}
        for name, feature in self.features.items():
            source = feature.column or name
            values, indices[name] = _distinct(columns, source)
            raw |= raw_features({name: feature}, pa.table({source: values}))
        # The module needs batches of equal length, so shorter ones are padded; the padding is never read.
        rows = max(map(len, raw.values()), default=0)
        encoded = encode(module, self.side, {name: _filled_up(values, rows) for name, values in raw.items()})
        return {name: values[indices[self.spec.of(self.side)[name].feature]] for name, values in encoded.items()}


class EncodeEntities(beam.DoFn):
    """Encodes row groups of a query or candidate table, and rows of entities that are not in the table."""

    def __init__(self, encoder: Encoder, directory: Path) -> None:
        """Needs the allocated arrays and `ids.arrow`.

        Args:
            encoder: of side `query` or `candidate`.
            directory: directory of the final arrays.
        """
        self._encoder = encoder
        self._directory = directory
        self._id_column = QUERY_ID if encoder.side == "query" else CANDIDATE_ID

    def setup(self) -> None:
        """Loads the module and the ids."""
        self._module = self._encoder.load()
        self._ids = IdIndex(read_ids(self._directory))

    def process(self, part: RowGroup | np.ndarray) -> Iterator[None]:
        """Encodes one part."""
        if isinstance(part, np.ndarray):
            ids = self._ids.ids.take(pa.array(part))
            nothing = {name: pa.nulls(len(part)) for name in self._encoder.source_columns()}
            self._write(pa.table({**nothing, self._id_column: ids}), part)
        else:
            table = read_row_group(part, sorted({self._id_column, *self._encoder.source_columns()}))
            for rows in slices(table, BATCH_ROWS):
                self._write(rows, self._ids.rows(plain_column(rows, self._id_column)))
        yield from ()

    def _write(self, columns: pa.Table, rows: np.ndarray) -> None:
        for name, values in self._encoder.encode(self._module, columns).items():
            np.load(self._directory / f"{name}.npy", mmap_mode="r+")[rows] = values


class EncodeContext(beam.DoFn):
    """Encodes the context columns of shards of events, each given with its first row in the final arrays."""

    def __init__(self, encoder: Encoder, directory: Path) -> None:
        self._encoder = encoder
        self._directory = directory

    def setup(self) -> None:
        """Loads the module."""
        self._module = self._encoder.load()

    def process(self, shard: tuple[str, int]) -> Iterator[None]:
        """Encodes one shard."""
        path, start = shard
        for events in slices(context_columns(read_arrow(Path(path))), 4 * BATCH_ROWS):
            for name, values in self._encoder.encode(self._module, events).items():
                target = np.load(self._directory / f"context.{name}.npy", mmap_mode="r+")
                target[start : start + len(events)] = values
            start += len(events)
        yield from ()


def _distinct(columns: pa.Table, name: str) -> tuple[pa.Array, np.ndarray]:
    """Distinct values of a column, including null, and the index of each row's value.

    For example, the column ["b", "a", "b"] gives ["b", "a"] and [0, 1, 0].
    """
    if pa.types.is_dictionary(columns.schema.field(name).type) and not columns[name].null_count:
        encoded = single(columns[name])
    else:
        column = plain_column(columns, name)
        if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
            return column, np.arange(len(column))
        encoded = column.dictionary_encode(null_encoding="encode")
    return encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False)


def _filled_up(values: np.ndarray, rows: int) -> np.ndarray:
    if len(values) == rows:
        return values
    filled = np.zeros((rows, *values.shape[1:]), values.dtype)
    if values.dtype == object:
        filled[:] = ""
    filled[: len(values)] = values
    return filled


def encode_everything(
    *,
    runner: BeamRunner,
    saved_model: Path,
    spec: EncodedSpec,
    target: Path,
    entities: Mapping[Side, tuple[pa.Array, list[Path]]],
    shards: list[tuple[str, int]],
    events: int,
) -> None:
    """Writes the encoded columns of queries, candidates and events.

    Args:
        runner: the Beam runner.
        saved_model: directory of the preprocessing.
        spec: the encoded columns.
        target: the TransformedExamples, which already have `ids.arrow` of both entities.
        entities: ids in row order, and the files of the table, which may lack some of the ids.
        shards: path and first row of each shard of events.
        events: number of events.
    """
    shared = Shared()
    with runner.pipeline() as pipeline:
        for side, (ids, files) in entities.items():
            encoder = Encoder(saved_model, spec, side, shared)
            if encoder.features:
                directory = target / ("queries" if side == "query" else "candidates")
                encoder.allocate(directory, "", len(ids))
                parts = [*row_groups(files), *_absent(ids, files, "query_id" if side == "query" else "candidate_id")]
                _encode_parts(pipeline, side, parts, EncodeEntities(encoder, directory))
        encoder = Encoder(saved_model, spec, "context", shared)
        if encoder.features:
            encoder.allocate(target / "events", "context.", events)
            _encode_parts(pipeline, "context", shards, EncodeContext(encoder, target / "events"))


def encode_catalogue(
    *, runner: BeamRunner, saved_model: Path, spec: EncodedSpec, files: Sequence[Path], directory: Path
) -> None:
    """Writes the encoded columns of a candidate table.

    Args:
        runner: the Beam runner.
        saved_model: directory of the preprocessing.
        spec: the encoded columns.
        files: files of the table.
        directory: directory of the encoded columns; its `ids.arrow` lists ids that are all in the table.
    """
    encoder = Encoder(saved_model, spec, "candidate", Shared())
    encoder.allocate(directory, "", len(read_ids(directory)))
    with runner.pipeline() as pipeline:
        _encode_parts(pipeline, "candidate", row_groups(files), EncodeEntities(encoder, directory))


def _encode_parts(pipeline: beam.Pipeline, side: Side, parts: Sequence[object], encode_part: beam.DoFn) -> None:
    created = pipeline | f"{side}Parts" >> beam.Create(parts)
    _ = created | f"{side}Encode" >> beam.ParDo(encode_part)


def _absent(ids: pa.Array, files: Sequence[Path], id_column: str) -> Iterator[np.ndarray]:
    """Rows of the ids that are not in the table, in batches."""
    listed = [chunk for path in files for chunk in pq.read_table(path, columns=[id_column])[id_column].chunks]
    known = pa.chunked_array([chunk.cast(ids.type) for chunk in listed], ids.type)
    absent = np.flatnonzero(~pc.is_in(ids, value_set=known).to_numpy(zero_copy_only=False))
    for start in range(0, len(absent), BATCH_ROWS):
        yield absent[start : start + BATCH_ROWS]
