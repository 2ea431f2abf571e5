"""Looking up candidates by their ids, inside a TensorFlow graph."""

import numpy as np
import tensorflow as tf

_HASH_RANGE = (1 << 63) - 1


class CandidateIds(tf.Module):
    """The ids of the candidates, by row and back, in variables: graphs and their tables are limited to 2 GB."""

    def __init__(self, ids: np.ndarray) -> None:
        """Takes ids in the order of rows.

        Args:
            ids: `[candidates]` strings (str or UTF-8 bytes), distinct, none empty.
        """
        super().__init__(name="candidate_ids")
        self.ids = tf.Variable(tf.constant(ids, tf.string), trainable=False, name="ids")
        self._key, hashes = _distinct_hashes(self.ids)
        order = np.argsort(hashes)
        self.hashes = tf.Variable(hashes[order], trainable=False, dtype=tf.int64, name="hashes")
        self.order = tf.Variable(order.astype(np.int32), trainable=False, name="order")

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Rows of string ids of any shape, int32 of that shape; -1 where an id is not a candidate's."""
        flat = tf.reshape(ids, [-1])
        hashes = _hash(flat, self._key)
        positions = tf.minimum(tf.searchsorted(self.hashes, hashes), len(self) - 1)
        rows = tf.gather(self.order, positions)
        rows = tf.where(tf.equal(tf.gather(self.ids, rows), flat), rows, -1)
        return tf.reshape(rows, tf.shape(ids))

    def of(self, rows: tf.Tensor) -> tf.Tensor:
        """Ids of int32 rows, strings of the same shape; "" where the row is negative."""
        return tf.where(rows < 0, "", tf.gather(self.ids, tf.maximum(rows, 0)))


def _hash(values: tf.Tensor, key: int) -> tf.Tensor:
    return tf.strings.to_hash_bucket_strong(values, _HASH_RANGE, [key, 0])


def _distinct_hashes(ids: tf.Variable) -> tuple[int, np.ndarray]:
    """The first key of the hash under which no two ids collide, and the hashes, int64."""
    for key in range(8):
        hashes: np.ndarray = _hash(ids, key).numpy()
        if len(np.unique(hashes)) == len(hashes):
            return key, hashes
    raise ValueError("candidate ids are not distinct")
