"""Maximum inner product search over candidate embeddings: the interface of a search, and exact search.

Searches are `tf.Module`s, so that a serving model can contain them. Exact search needs only stock TensorFlow.
`models.retrieval.scann_index` has the search with ScaNN.
"""

from typing import Protocol

import numpy as np
import tensorflow as tf

from models.preprocessing.packing import packed

_BLOCK_SCORES = 1 << 25  # scores held at once by exact search: 128 MB


class Search(Protocol):
    """Finds the candidates with the largest dot product.

    Attributes:
        dimension: length of the embeddings.
        is_exhaustive: whether the search always finds as many candidates as requested.
    """

    dimension: int

    @property
    def is_exhaustive(self) -> bool: ...  # noqa: D102

    def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the best `count` candidates of each query, best first.

        Args:
            queries: float32 `[batch, dim]`; the batch may be empty.
            count: int32 scalar, at most the number of candidates.

        Returns:
            Rows int32 and scores float32, both `[batch, count]`. If fewer are found, the rows end in -1 and the scores
            in float32.min. No row appears twice.
        """
        ...

    def found(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Like `search`, but the width may be less than `count`. Unused places have a score that is not finite."""
        ...

    def vectors(self, rows: tf.Tensor) -> tf.Tensor:
        """Embeddings of candidates, float32 `[…, dim]`, for int32 rows `[…]` that are not negative."""
        ...


class ExactSearch(tf.Module):
    """Scores every candidate, in blocks of queries so that memory stays bounded. Ties go to the lower row."""

    is_exhaustive = True

    def __init__(self, embeddings: np.ndarray) -> None:
        """Copies `embeddings`, float32 `[candidates, dim]`, into a variable.

        Raises:
            ValueError: `embeddings` is not a float32 matrix with rows, or holds NaN or infinite values.
        """
        super().__init__(name="exact_search")
        check_embeddings(embeddings)
        self.embeddings = tf.Variable(embeddings, trainable=False, dtype=tf.float32, name="embeddings")
        self.dimension: int = embeddings.shape[1]

    def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Search.search`."""
        block = max(1, _BLOCK_SCORES // self.embeddings.shape[0])
        blocks = (tf.shape(queries)[0] + block - 1) // block
        scores = tf.TensorArray(tf.float32, blocks, infer_shape=False)
        rows = tf.TensorArray(tf.int32, blocks, infer_shape=False)

        def body(i: tf.Tensor, scores: tf.TensorArray, rows: tf.TensorArray) -> tuple[tf.Tensor, ...]:
            part = tf.matmul(queries[i * block : (i + 1) * block], self.embeddings, transpose_b=True)
            best = tf.math.top_k(part, count)
            return i + 1, scores.write(i, best.values), rows.write(i, best.indices)

        _, scores, rows = tf.while_loop(lambda i, *_: i < blocks, body, (0, scores, rows), parallel_iterations=1)
        return _concat(rows, count), _concat(scores, count)

    def found(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Search.found`."""
        return self.search(queries, count)

    def vectors(self, rows: tf.Tensor) -> tf.Tensor:
        """See `Search.vectors`."""
        return rows_of(self.embeddings, rows)

    @property
    def matrix(self) -> np.ndarray:
        """The embeddings as an array, float32 `[candidates, dim]`, that shares the memory; do not write to it."""
        return np.asarray(memoryview(self.embeddings.read_value()))


def first_kept(
    rows: tf.Tensor, scores: tf.Tensor, keep: tf.Tensor, *, count: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Selects the first `count` kept entries of each row, in their order.

    Example with count 2: rows `[[7, 8, 9], [4, 5, 6], [1, 2, 3]]` and keep `[[1, 0, 1], [1, 1, 1], [0, 0, 1]]` give
    `[[7, 9], [4, 5], [3, -1]]`.

    Args:
        rows: int32 `[batch, any]`.
        scores: float32 `[batch, any]`.
        keep: bool `[batch, any]`.
        count: width of the result.

    Returns:
        Rows and scores, both `[batch, count]`. If fewer are kept, the rows end in -1 and the scores in float32.min.
    """
    places, number = tf.where(keep), tf.shape(keep, tf.int64)[0]
    return (
        packed(rows, places, rows=number, width=count, padding=-1),
        packed(scores, places, rows=number, width=count, padding=tf.float32.min),
    )


def check_embeddings(embeddings: np.ndarray) -> None:
    """Refuses embeddings that cannot be searched.

    Raises:
        ValueError: `embeddings` is not a float32 matrix with rows, or holds NaN or infinite values.
    """
    if embeddings.ndim != 2 or embeddings.dtype != np.float32 or 0 in embeddings.shape:
        raise ValueError(f"embeddings must be a float32 matrix with rows, got {embeddings.dtype} {embeddings.shape}")
    bad = non_finite_rows(embeddings)
    if len(bad):
        raise ValueError(f"embeddings of {len(bad)} of {len(embeddings)} rows hold NaN or inf, first row {bad[0]}")


def non_finite_rows(embeddings: np.ndarray) -> np.ndarray:
    """Rows of a matrix that hold NaN or infinite values, ascending."""
    # A row's sum is not finite if a value is not, and sums need no matrix of flags. The second line drops overflows.
    suspects = np.flatnonzero(~np.isfinite(embeddings.sum(axis=1, dtype=np.float64)))
    bad: np.ndarray = suspects[~np.isfinite(embeddings[suspects]).all(axis=1)]
    return bad


def rows_of(table: tf.Variable, rows: tf.Tensor) -> tf.Tensor:
    """Gathers rows, not negative, of a matrix in a variable."""
    # Gathering from the variable itself would make every later read copy the whole matrix, for every request.
    return tf.gather(table.read_value(), rows)


def _concat(blocks: tf.TensorArray, count: tf.Tensor) -> tf.Tensor:
    # An empty batch has no blocks, whose shape is then unknown.
    return tf.cond(blocks.size() > 0, blocks.concat, lambda: tf.zeros([0, count], blocks.dtype))
