"""Reads TensorFlow Datasets from the prepared TFRecord files in batches, ten times faster than row by row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataplane.errors import DataError
from dataplane.sources.config import Split, TfdsEntities, TfdsInteractions
from dataplane.sources.files import SourceFile
from dataplane.sources.formats.reachability import require_reachable
from dataplane.sources.formats.tfds_directory import TfdsFeature, data_directory, features, prepared_directory
from dataplane.sources.reading import Piece, Rows

_ROWS_PER_BATCH = 16_384


@dataclass(frozen=True)
class TfdsReader:
    """Reads a table from a prepared data set.

    Attributes:
        table: name of the table.
        source: settings of the table.
        files: all files of the data set.
    """

    table: str
    source: TfdsInteractions | TfdsEntities
    files: Sequence[SourceFile]

    def pieces(self) -> list[Piece]:
        """Makes one piece per record file."""
        directory = Path(self.files[0].location).parent
        splits = self.source.split if isinstance(self.source.split, dict) else {None: self.source.split}
        pieces: list[Piece] = []
        for split, expression in splits.items():
            for cut in _record_files(directory, expression):
                pieces.append(self._piece(len(pieces), split, cut))
        return pieces

    def types(self, pieces: Sequence[Piece]) -> dict[str, dict[str, set[str]]]:
        """Types from the description of the data set."""
        directory = Path(pieces[0].file).parent
        return {str(directory): {name: {_type_name(feature)} for name, feature in features(directory).items()}}

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Yields batches of decoded records; class numbers become class names."""
        described = features(Path(piece.file).parent)
        usable = {name: feature for name, feature in described.items() if feature.shape is not None}
        wanted = usable if columns is None else {name: usable[name] for name in columns if name in usable}
        row = piece.first_row
        for batch in _record_batches(piece, wanted):
            yield Rows(batch, np.arange(row, row + batch.num_rows))
            row += batch.num_rows

    def _piece(self, index: int, split: Split | None, cut: Any) -> Piece:
        path = Path(cut.filename)
        (file,) = (file for file in self.files if file.name == path.name)
        taken = cut.examples_in_shard - cut.skip if cut.take < 0 else cut.take
        part = (cut.skip, cut.skip + taken)
        return Piece(self.table, index, str(path), path.name, split, part, cut.skip, file.size, version=file.version)


def prepare(source: TfdsInteractions | TfdsEntities, base_dir: Path | None) -> Path:
    """Returns the directory of the data set, and downloads and prepares it if needed.

    Raises:
        DataError: the data set does not exist or cannot be downloaded.
    """
    directory = prepared_directory(source.dataset, source.data_dir, base_dir)
    if directory is not None:
        return directory
    import tensorflow_datasets as tfds

    root = data_directory(source.data_dir, base_dir)
    try:
        builder = tfds.builder(source.dataset, data_dir=str(root))
        with _without_hopeless_retries():
            builder.download_and_prepare(file_format="tfrecord")
    except Exception as error:  # each server fails in its own way
        name, _, version = source.dataset.partition(":")
        raise DataError(
            f"TensorFlow data set {source.dataset!r} is not prepared in {root} (there is no "
            f"{name}/{version or 'VERSION'}/features.json) and cannot be downloaded: {type(error).__name__}: "
            f"{_first_line(error)}. If it is prepared elsewhere, set TFDS_DATA_DIR or 'data_dir' to the directory that "
            f"holds {name.split('/')[0]}/; if not, prepare it on a machine with internet access "
            f"(`tfds build {source.dataset}`) and copy it"
        ) from error
    return Path(builder.data_dir)


@contextmanager
def _without_hopeless_retries() -> Iterator[None]:
    """Makes a download fail at once if its server is unreachable; TFDS would retry for minutes."""
    from tensorflow_datasets.core.download import downloader

    opened = downloader._open_url

    def open_url(url: str, **settings: Any) -> Any:
        require_reachable(url)
        return opened(url, **settings)

    downloader._open_url = open_url
    try:
        yield
    finally:
        downloader._open_url = opened


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")[:300]


def _record_files(directory: Path, expression: str) -> list[Any]:
    """Record files of a split expression such as `train[:10%]`, with `skip` and `take` for parts of a file."""
    import tensorflow_datasets as tfds

    info = tfds.builder_from_directory(str(directory)).info
    if info.file_format is not None and info.file_format.value != "tfrecord":
        raise DataError(f"{directory} is prepared as {info.file_format.value}; prepare it with file_format='tfrecord'")
    try:
        return [cut for cut in info.splits[expression].file_instructions if cut.take and cut.examples_in_shard]
    except (KeyError, ValueError, AssertionError) as error:
        available = ", ".join(sorted(info.splits))
        raise DataError(f"{directory} has no split {expression!r}; it has {available}") from error


def _record_batches(piece: Piece, wanted: Mapping[str, TfdsFeature]) -> Iterator[pa.RecordBatch]:
    import tensorflow as tf

    from dataplane.files.tf_records import record_batches

    specification = {name: _parser(feature, tf) for name, feature in wanted.items()}
    try:
        for serialized in record_batches(piece.file, rows=_ROWS_PER_BATCH, part=piece.part):
            parsed = tf.io.parse_example(serialized, specification)
            columns = {name: _column(parsed[name], feature, name) for name, feature in wanted.items()}
            yield pa.RecordBatch.from_pydict(columns)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise DataError(f"{piece.name} is damaged: {_first_line(error)}") from error


def _parser(feature: TfdsFeature, tf: Any) -> Any:
    stored = tf.string if feature.dtype == "string" else tf.float32 if feature.dtype.startswith("float") else tf.int64
    if feature.shape == (None,):
        return tf.io.RaggedFeature(stored, row_splits_dtype=tf.int64)
    return tf.io.FixedLenFeature(feature.shape, stored)


def _column(values: Any, feature: TfdsFeature, name: str) -> pa.Array:
    if feature.shape == ():
        return _flat_array(values.numpy(), feature, name)
    if feature.shape == (None,):
        inner = _flat_array(values.values.numpy(), feature, name)
        return pa.ListArray.from_arrays(pa.array(values.row_splits.numpy().astype(np.int32)), inner)
    array = values.numpy()
    return pa.FixedSizeListArray.from_arrays(_flat_array(array.ravel(), feature, name), array.shape[1])


def _flat_array(values: np.ndarray, feature: TfdsFeature, name: str) -> pa.Array:
    if feature.dtype == "string":
        try:
            return pa.array(values, pa.binary()).cast(pa.string())
        except pa.ArrowInvalid as error:
            raise DataError(f"feature {name!r} has bytes that are not UTF-8; list other columns in 'keep'") from error
    if feature.labels:
        known = (values >= 0) & (values < len(feature.labels))  # TFDS writes -1 for no label
        return pa.array(feature.labels, pa.string()).take(pa.array(values, mask=~known))
    return pa.array(values.astype(bool) if feature.dtype == "bool" else values)


def _type_name(feature: TfdsFeature) -> str:
    if feature.shape is None:
        return "unsupported"
    if feature.dtype == "string" or feature.labels:
        value = "string"
    elif feature.dtype.startswith("float"):
        value = "float64"
    else:
        value = "bool" if feature.dtype == "bool" else "int64"
    if feature.shape == ():
        return value
    return f"list<{'int64' if value == 'bool' else value}>"
