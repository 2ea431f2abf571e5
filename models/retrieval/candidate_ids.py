"""Lookup of candidates by their ids inside a TensorFlow graph."""

import numpy as np
import tensorflow as tf

_HASH_RANGE = (1 << 63) - 1
_BY_ID = -2  # marks a token that several ids share


class CandidateIds(tf.Module):
    """Maps candidate rows to ids and back. Uses variables, because graphs and their tables are limited to 2 GB."""

    def __init__(self, ids: np.ndarray) -> None:
        """Builds the lookup.

        Args:
            ids: strings (str or UTF-8 bytes) in row order, distinct and not empty, `[candidates]`.
        """
        super().__init__(name="candidate_ids")
        self._count = len(ids)
        named = tf.constant(ids, tf.string)
        self._key, hashes = _distinct_hashes(named)
        # Index 0 is the id "" of row -1, so that answers need no further masking.
        self.ids = tf.Variable(tf.concat([[""], named], axis=0), trainable=False, name="ids")
        order = np.argsort(hashes)
        self.hashes = tf.Variable(hashes[order], trainable=False, dtype=tf.int64, name="hashes")
        self.order = tf.Variable(order.astype(np.int32), trainable=False, name="order")

    def __len__(self) -> int:
        return self._count

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Rows of string ids of any shape, int32 of the same shape; -1 for an id that is not a candidate."""
        flat = tf.reshape(ids, [-1])
        hashes = _hash(flat, self._key)
        # The raw operation, because the overhead of `tf.searchsorted` exceeds the search itself for a few ids.
        places = tf.raw_ops.LowerBound(sorted_inputs=self.hashes.read_value()[None], values=hashes[None])[0]
        rows = tf.gather(self.order, tf.minimum(places, self._count - 1))
        rows = tf.where(tf.equal(tf.gather(self.ids, 1 + rows), flat), rows, -1)
        return tf.reshape(rows, tf.shape(ids))

    def of(self, rows: tf.Tensor) -> tf.Tensor:
        """Ids of int32 rows, strings of the same shape; "" for row -1."""
        return tf.gather(self.ids, 1 + rows)


class TokenRows(tf.Module):
    """Maps tokens of candidates to rows; the query tower needs the tokens anyway.

    This costs a fraction of a second lookup by string. Candidates outside the vocabulary, if any, are looked up by id.
    """

    def __init__(self, candidate_ids: CandidateIds, tokens: np.ndarray, *, oov_buckets: int) -> None:
        """Builds the table.

        Args:
            candidate_ids: ids of the rows.
            tokens: token of each id, int32 `[candidates]`. Tokens up to `oov_buckets` are shared; each higher token
                belongs to one candidate.
            oov_buckets: number of shared tokens, from 1 on.

        Raises:
            ValueError: two candidates have the same unshared token.
        """
        super().__init__(name="token_rows")
        self._candidate_ids = candidate_ids
        known = np.flatnonzero(tokens > oov_buckets)
        by_token = np.full(max(int(tokens.max()), oov_buckets) + 2, -1, np.int32)  # the last entry is for higher tokens
        by_token[tokens[known]] = known
        if not np.array_equal(by_token[tokens[known]], known):
            raise ValueError("two candidates have the same token")
        self._has_others = len(known) < len(tokens)
        if self._has_others:
            by_token[1 : oov_buckets + 1] = _BY_ID
        self.by_token = tf.Variable(by_token, trainable=False, name="by_token")

    def rows(self, ids: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """Rows of ids and their tokens, string and int32 `[batch, any]`; equals `CandidateIds.rows` of the ids."""
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
    """The first hash key under which no two ids collide, and the hashes, int64."""
    for key in range(8):
        hashes: np.ndarray = _hash(ids, key).numpy()
        if len(np.unique(hashes)) == len(hashes):
            return key, hashes
    raise ValueError("candidate ids are not distinct")
