"""Search that leaves out what a query has seen already."""

import tensorflow as tf

from models.index import Search

_LAST = tf.int32.max


def search_unseen(
    search: Search, queries: tf.Tensor, seen: tf.Tensor, *, count: int, candidates: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The best `count` candidates of each query that are not among its seen ones.

    Asks for as many more as any query of the batch has seen, masks those and takes the best again.

    Args:
        search: finds candidates.
        queries: float32 `[batch, dim]`.
        seen: int32 `[batch, width]` candidate rows in any order, repeated or not; -1 is padding.
        count: answers wanted, at most `candidates`.
        candidates: number of candidates there are.

    Returns:
        Rows int32 and scores float32, both `[batch, count]`, best first; where fewer are left the rows end in -1
        and the scores in float32.min.
    """
    # The sentinel at the end keeps every row non-empty and every insertion point inside.
    ordered = tf.sort(tf.pad(seen, [[0, 0], [0, 1]], constant_values=_LAST), axis=1)
    wanted = tf.minimum(count + _most_distinct(ordered), candidates)
    rows, scores = search.search(queries, wanted)
    positions = tf.searchsorted(ordered, rows)
    is_seen = tf.equal(tf.gather(ordered, positions, batch_dims=1), rows)
    left = tf.where(is_seen | (rows < 0), tf.float32.min, scores)
    best = tf.math.top_k(left, count)
    kept = tf.gather(tf.where(is_seen, -1, rows), best.indices, batch_dims=1)
    return kept, best.values


def _most_distinct(ordered: tf.Tensor) -> tf.Tensor:
    """The largest number of distinct candidates in a row of `ordered`, int32 scalar."""
    first = tf.not_equal(ordered[:, 1:], ordered[:, :-1]) & (ordered[:, :-1] >= 0)
    numbers = tf.reduce_sum(tf.cast(first, tf.int32), axis=1)
    return tf.maximum(tf.reduce_max(numbers), 0)  # the maximum over an empty batch is the least integer
