"""A vocabulary inside a SavedModel that maps strings to tokens with stock TensorFlow operations.

TensorFlow's vocabulary files have one value per line, but values here may contain line breaks. Constants in the graph
are limited to 2 GB and load slowly. So the asset is one serialised string tensor.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

_UNKNOWN = -1


class Vocabulary(tf.Module):
    """Maps "" to 0, unknown values to 1 … `oov_buckets` by hash, and value `i` to `1 + oov_buckets + i`.

    Attributes:
        size: number of tokens, including 0 and the out-of-vocabulary tokens.
    """

    def __init__(self, values: Sequence[str] | np.ndarray, *, oov_buckets: int, file: Path) -> None:
        """Writes `file`, which becomes an asset of every SavedModel that contains the vocabulary.

        Args:
            values: distinct, non-empty strings, most important first.
            oov_buckets: tokens shared by all other strings.
            file: path of the asset; must exist until the SavedModel is written.
        """
        super().__init__()
        self._oov_buckets = oov_buckets
        self.size = 1 + oov_buckets + len(values)
        _write_tensor(file, np.concatenate([np.array([""], object), np.asarray(values, object)]))
        self._table = tf.lookup.StaticHashTable(_TensorFileInitializer(file, first_value=1 + oov_buckets), _UNKNOWN)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """Tokens of strings, int32 of the same shape."""
        found = self._table.lookup(values)
        bucket = 1 + tf.strings.to_hash_bucket_fast(values, self._oov_buckets)
        return tf.cast(tf.where(found == _UNKNOWN, bucket, found), tf.int32)


def _write_tensor(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    tf.io.write_file(str(file), tf.io.serialize_tensor(tf.constant(values, tf.string)))


class _TensorFileInitializer(tf.lookup.TextFileInitializer):
    """Fills a table from a file with one serialised string tensor, whose first string "" maps to 0."""

    def __init__(self, file: Path, *, first_value: int) -> None:
        # The base class registers the file as an asset; its line settings are not used.
        index = tf.lookup.TextFileIndex
        super().__init__(str(file), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER)
        self._first_value = first_value
        self._digest = hashlib.sha256(file.read_bytes()).hexdigest()

    @property
    def _shared_name(self) -> str:
        # TensorFlow shares tables by name within a process, so only equal vocabularies may share a name.
        return f"vocabulary_{self._first_value}_{self._digest}"

    def initialize(self, table: tf.lookup.StaticHashTable) -> tf.Operation:
        content = tf.io.read_file(tf.convert_to_tensor(self._filename))
        keys = tf.reshape(tf.io.parse_tensor(content, tf.string), [-1])
        count = tf.size(keys, out_type=tf.int64)
        values = tf.concat([[tf.constant(0, tf.int64)], self._first_value + tf.range(count - 1)], axis=0)
        operation = tf.raw_ops.InitializeTableV2(table_handle=table.resource_handle, keys=keys, values=values)
        if not tf.executing_eagerly():
            # Session-based servers run the operations of this collection after loading.
            tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS, operation)
        return operation
