"""Maximum inner product search over candidate embeddings: what a search is, and the exact one.

Searches are `tf.Module`s, so that they can be saved in a serving model. Exact search needs stock TensorFlow only;
ScaNN's is in `models.retrieval.scann_index`.
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
        is_exhaustive: whether as many are found as are asked for, whatever the query.
    """

    dimension: int

    @property
    def is_exhaustive(self) -> bool: ...  # noqa: D102

    def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The best `count` candidates of each query, best first.

        Args:
            queries: float32 `[batch, dim]`, batch may be 0.
            count: int32 scalar, at most the number of candidates.

        Returns:
            Rows int32 and scores float32, both `[batch, count]`; where fewer were found the rows end in -1 and
            the scores in float32.min. No row appears twice.
        """
        ...

    def found(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As `search`, of any width up to `count`; where fewer were found rows are meaningless, scores not finite."""
        ...

    def vectors(self, rows: tf.Tensor) -> tf.Tensor:
        """Embeddings of candidates, float32 `[…, dim]` for int32 rows `[…]`, none negative."""
        ...


class ExactSearch(tf.Module):
    """Scores every candidate, in blocks of queries so that memory stays bounded. Ties go to the lower row."""

    is_exhaustive = True

    def __init__(self, embeddings: np.ndarray) -> None:
        """Copies `embeddings`, float32 `[candidates, dim]`, into a variable.

        Raises:
            ValueError: they are not a matrix, are empty, or hold NaN or infinite values.
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
        """The embeddings as an array, float32 `[candidates, dim]`, in the same memory; not to be written to."""
        return np.asarray(memoryview(self.embeddings.read_value()))


def first_kept(
    rows: tf.Tensor, scores: tf.Tensor, keep: tf.Tensor, *, count: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The first `count` of each row that are kept, in their order.

    Args:
        rows: int32 `[batch, any]`.
        scores: float32 `[batch, any]`.
        keep: bool `[batch, any]`.
        count: width of the result.

    Returns:
        Rows and scores, both `[batch, count]`; where fewer are kept the rows end in -1 and the scores in float32.min.
    """
    places, number = tf.where(keep), tf.shape(keep, tf.int64)[0]
    return (
        packed(rows, places, rows=number, width=count, padding=-1),
        packed(scores, places, rows=number, width=count, padding=tf.float32.min),
    )


def check_embeddings(embeddings: np.ndarray) -> None:
    """Refuses what cannot be searched.

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
    # A sum is NaN or infinite whenever a term is, and needs no matrix of flags; confirmed because sums may overflow.
    suspects = np.flatnonzero(~np.isfinite(embeddings.sum(axis=1, dtype=np.float64)))
    bad: np.ndarray = suspects[~np.isfinite(embeddings[suspects]).all(axis=1)]
    return bad


def rows_of(table: tf.Variable, rows: tf.Tensor) -> tf.Tensor:
    """Rows of a matrix in a variable, none negative."""
    # Gathering from the variable itself would make every later read of it a copy of the whole, for every request.
    return tf.gather(table.read_value(), rows)


def _concat(blocks: tf.TensorArray, count: tf.Tensor) -> tf.Tensor:
    # An array of no blocks, from an empty batch, has no shape to concatenate.
    return tf.cond(blocks.size() > 0, blocks.concat, lambda: tf.zeros([0, count], blocks.dtype))
