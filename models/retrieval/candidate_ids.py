"""Looking up candidates by their ids, inside a TensorFlow graph."""

import numpy as np
import tensorflow as tf

_HASH_RANGE = (1 << 63) - 1
_BY_ID = -2  # of a token that does not tell which candidate is meant


class CandidateIds(tf.Module):
    """The ids of the candidates, by row and back, in variables: graphs and their tables are limited to 2 GB."""

    def __init__(self, ids: np.ndarray) -> None:
        """Takes ids in the order of rows.

        Args:
            ids: `[candidates]` strings (str or UTF-8 bytes), distinct, none empty.
        """
        super().__init__(name="candidate_ids")
        self._count = len(ids)
        named = tf.constant(ids, tf.string)
        self._key, hashes = _distinct_hashes(named)
        # Before the first stands what row -1 is called, so that answers need no second look at each id.
        self.ids = tf.Variable(tf.concat([[""], named], axis=0), trainable=False, name="ids")
        order = np.argsort(hashes)
        self.hashes = tf.Variable(hashes[order], trainable=False, dtype=tf.int64, name="hashes")
        self.order = tf.Variable(order.astype(np.int32), trainable=False, name="order")

    def __len__(self) -> int:
        return self._count

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Rows of string ids of any shape, int32 of that shape; -1 where an id is not a candidate's."""
        flat = tf.reshape(ids, [-1])
        hashes = _hash(flat, self._key)
        # The operation alone: what `tf.searchsorted` adds to it costs more than the search for a few ids.
        places = tf.raw_ops.LowerBound(sorted_inputs=self.hashes.read_value()[None], values=hashes[None])[0]
        rows = tf.gather(self.order, tf.minimum(places, self._count - 1))
        rows = tf.where(tf.equal(tf.gather(self.ids, 1 + rows), flat), rows, -1)
        return tf.reshape(rows, tf.shape(ids))

    def of(self, rows: tf.Tensor) -> tf.Tensor:
        """Ids of int32 rows, strings of the same shape; "" where the row is -1."""
        return tf.gather(self.ids, 1 + rows)


class TokenRows(tf.Module):
    """Rows of candidates by their tokens, which the query tower needs anyway.

    That is a fraction of what a second lookup of strings costs. Candidates outside the vocabulary, if there are any,
    are looked up by their ids.
    """

    def __init__(self, candidate_ids: CandidateIds, tokens: np.ndarray, *, oov_buckets: int) -> None:
        """Makes the table.

        Args:
            candidate_ids: ids of the rows.
            tokens: of these ids, int32 `[candidates]`: up to `oov_buckets` shared ones, beyond one candidate's each.
            oov_buckets: tokens, from 1 on, that stand for several ids.

        Raises:
            ValueError: two candidates have one token.
        """
        super().__init__(name="token_rows")
        self._candidate_ids = candidate_ids
        known = np.flatnonzero(tokens > oov_buckets)
        by_token = np.full(max(int(tokens.max()), oov_buckets) + 2, -1, np.int32)  # the last is for all further tokens
        by_token[tokens[known]] = known
        if not np.array_equal(by_token[tokens[known]], known):
            raise ValueError("tokens of candidates are not distinct")
        self._has_others = len(known) < len(tokens)
        if self._has_others:
            by_token[1 : oov_buckets + 1] = _BY_ID
        self.by_token = tf.Variable(by_token, trainable=False, name="by_token")

    def rows(self, ids: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """Rows of ids and their tokens, string and int32 `[batch, any]`, as `CandidateIds.rows` gives them."""
        rows = tf.gather(self.by_token, tf.minimum(tokens, self.by_token.shape[0] - 1))
        if not self._has_others:
            return rows
        others = tf.equal(rows, _BY_ID)
        return tf.cond(tf.reduce_any(others), lambda: self._by_id(ids, rows, tf.where(others)), lambda: rows)

    def _by_id(self, ids: tf.Tensor, rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        return tf.tensor_scatter_nd_update(rows, places, self._candidate_ids.rows(tf.gather_nd(ids, places)))


def _hash(values: tf.Tensor, key: int) -> tf.Tensor:
    return tf.strings.to_hash_bucket_strong(values, _HASH_RANGE, [key, 0])


def _distinct_hashes(ids: tf.Tensor) -> tuple[int, np.ndarray]:
    """The first key of the hash under which no two ids collide, and the hashes, int64."""
    for key in range(8):
        hashes: np.ndarray = _hash(ids, key).numpy()
        if len(np.unique(hashes)) == len(hashes):
            return key, hashes
    raise ValueError("candidate ids are not distinct")
