"""Search in a part of the catalogue: without excluded candidates, or among allowed ones only."""

import tensorflow as tf

from models.retrieval.index import Search, first_kept

_LAST = tf.int32.max
_BLOCK_VALUES = 1 << 25  # values of gathered embeddings held at once: 128 MB


def search_excluding(
    search: Search, queries: tf.Tensor, excluded: tf.Tensor, *, count: int, candidates: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The best `count` candidates of each query that are not excluded.

    Requests as many additional answers as the longest exclusion list of the batch and drops the excluded ones. If an
    index then finds too few, the number is doubled until there are enough or the whole catalogue is requested.

    For example, with count 2 and `excluded` [[4, -1], [-1, -1], [4, 9]], the search is first asked for 4 answers.

    Args:
        search: finds candidates.
        queries: float32 `[batch, dim]`.
        excluded: candidate rows, int32 `[batch, width]`, in any order, possibly repeated, padded with -1.
        count: number of answers, at most `candidates`.
        candidates: number of candidates in the catalogue.

    Returns:
        Rows int32 and scores float32, both `[batch, count]`, best first. If fewer candidates are left, the rows end in
        -1 and the scores in float32.min.
    """
    excluded_rows = ordered(excluded)

    def ask(wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows, scores = search.found(queries, wanted)
        return first_kept(rows, scores, tf.math.is_finite(scores) & ~is_among(excluded_rows, rows), count=count)

    distinct = tf.reduce_max(tf.pad(_distinct(excluded_rows), [[0, 1]]))  # 0 for an empty batch
    asked = tf.minimum(count + distinct, candidates)
    rows, scores = ask(asked)
    if search.is_exhaustive:
        return _of_width(rows, scores, count)

    def is_short(asked: tf.Tensor, rows: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        # If fewer than `count` candidates are left, this ends when the whole catalogue has been requested.
        return (asked < candidates) & tf.reduce_any(rows[:, -1] < 0)

    def ask_wider(asked: tf.Tensor, _rows: tf.Tensor, _scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
        wanted = tf.minimum(2 * asked, candidates)
        return wanted, *ask(wanted)

    _, rows, scores = tf.while_loop(is_short, ask_wider, (asked, rows, scores), parallel_iterations=1)
    return _of_width(rows, scores, count)


def search_among(
    search: Search, queries: tf.Tensor, allowed: tf.Tensor, excluded: tf.Tensor, *, count: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The best `count` of each query's allowed candidates that are not excluded.

    Scores every allowed candidate, so the result is exact for any `search`. Ties go to the lower row.

    Args:
        search: holds the candidates' embeddings.
        queries: float32 `[batch, dim]`.
        allowed: candidate rows, int32 `[batch, any]`, in any order, possibly repeated, padded with -1.
        excluded: candidate rows, int32 `[batch, any]`, in the same format.
        count: number of answers.

    Returns:
        As `search_excluding`.
    """
    rows = tf.sort(tf.pad(allowed, [[0, 0], [0, count]], constant_values=-1), axis=1)
    repeated = tf.pad(tf.equal(rows[:, 1:], rows[:, :-1]), [[0, 0], [1, 0]])
    is_out = repeated | is_among(ordered(excluded), rows)
    return _best(rows, score_rows(search, queries, rows), is_out=is_out, count=count)


def score_rows(search: Search, queries: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Scores of given candidates, in blocks of queries so that memory stays bounded.

    Args:
        search: holds the candidates' embeddings.
        queries: float32 `[batch, dim]`.
        rows: candidate rows, int32 `[batch, any]`; -1 is no candidate.

    Returns:
        float32 of the shape of `rows`; float32.min for row -1.
    """
    batch, width = tf.shape(rows)[0], tf.shape(rows)[1]
    block = tf.maximum(_BLOCK_VALUES // tf.maximum(width * search.dimension, 1), 1)

    def body(start: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        vectors = search.vectors(tf.maximum(rows[start : start + block], 0))
        part = tf.einsum("bd,bnd->bn", queries[start : start + block], vectors)
        return start + block, tf.concat([scores, part], axis=0)

    _, scores = tf.while_loop(
        lambda start, _: start < batch,
        body,
        (tf.constant(0), tf.zeros([0, width])),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None])),
        parallel_iterations=1,
    )
    return tf.where(rows < 0, tf.float32.min, scores)


def no_answers(batch: tf.Tensor, count: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and scores, `[batch, count]`, of queries without answers."""
    return tf.fill([batch, count], -1), tf.fill([batch, count], tf.float32.min)


def ordered(excluded: tf.Tensor) -> tf.Tensor:
    """Sorts excluded candidate rows, int32 `[batch, any]`, for `is_among`."""
    # A sentinel at the end keeps rows non-empty and insertion points within bounds.
    return tf.sort(tf.pad(excluded, [[0, 0], [0, 1]], constant_values=_LAST), axis=1)


def is_among(excluded_rows: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Which candidate rows, int32 `[batch, any]`, are among those that `ordered` sorted."""
    places = tf.raw_ops.LowerBound(sorted_inputs=excluded_rows, values=rows)
    return tf.equal(tf.gather(excluded_rows, places, batch_dims=1), rows)


def _distinct(ordered: tf.Tensor) -> tf.Tensor:
    """The number of distinct candidates in each row of `ordered`, int32 `[batch]`."""
    first = tf.not_equal(ordered[:, 1:], ordered[:, :-1]) & (ordered[:, :-1] >= 0)
    return tf.reduce_sum(tf.cast(first, tf.int32), axis=1)


def _of_width(rows: tf.Tensor, scores: tf.Tensor, count: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = [None, count if isinstance(count, int) else None]
    return tf.ensure_shape(rows, shape), tf.ensure_shape(scores, shape)


def _best(
    rows: tf.Tensor, scores: tf.Tensor, *, is_out: tf.Tensor, count: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    is_out |= rows < 0
    best = tf.math.top_k(tf.where(is_out, tf.float32.min, scores), count)
    return _of_width(tf.gather(tf.where(is_out, -1, rows), best.indices, batch_dims=1), best.values, count)
