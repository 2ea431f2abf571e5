"""Maximum inner product search over candidate embeddings: exact, and approximate with ScaNN (Guo et al. 2020).

Both searches are `tf.Module`s with the same `search`, so that they can be saved in a serving model. ScaNN is imported
only where its index is built: whoever loads a saved one imports `scann` first, and the exact search needs stock
TensorFlow only.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from models.preprocessing.packing import packed

SearchWithin = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

_BLOCK_SCORES = 1 << 25  # scores held at once by exact search: 128 MB
_AVQ = 4.0  # errors along the vector weigh more in centres too: a sixth fewer leaves hold as many of the answers
_SMALLEST_TREE = 16  # ScaNN's quantiser fails to train on fewer vectors


@dataclass(frozen=True)
class TreeSettings:
    """Resolved settings of a ScaNN tree with anisotropic quantisation and exact reordering.

    Attributes:
        leaves: cells the candidates are partitioned into.
        leaves_to_search: cells looked into for a query that asks for no more than `answers`.
        anisotropic_threshold: T of the anisotropic loss; larger weighs errors along the vector more.
        dimensions_per_block: dimensions that share a code of 4 bits; 1 is finest.
        reorder: nearest by code that are scored again with the full vectors.
        training_sample: candidates that centres and codes are learnt from.
        answers: number of answers the other settings are made for; more of them widen the search.
    """

    leaves: int
    leaves_to_search: int
    anisotropic_threshold: float
    dimensions_per_block: int
    reorder: int
    training_sample: int
    answers: int


def tree_is_possible(candidates: int, leaves: int) -> bool:
    """Whether ScaNN can train a tree of so many leaves on so few candidates."""
    return candidates >= max(_SMALLEST_TREE, leaves)


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
        return _rows_of(self.embeddings, rows)

    @property
    def matrix(self) -> np.ndarray:
        """The embeddings as an array, float32 `[candidates, dim]`, in the same memory; not to be written to."""
        return np.asarray(memoryview(self.embeddings.read_value()))


class ScannSearch(tf.Module):
    """ScaNN's index: a quantised tree, or ScaNN's own brute force where `settings` is None.

    Attributes:
        settings: of the tree; those that only concern searching, `leaves_to_search` and `reorder`, may be replaced.
    """

    def __init__(self, exact: ExactSearch, settings: TreeSettings | None) -> None:
        """Builds the index; the same embeddings and settings give the same index.

        Args:
            exact: search over the same candidates; its embeddings are shared, not copied.
            settings: of the tree; None for brute force.

        Raises:
            ValueError: there are too few candidates for the tree.
        """
        super().__init__(name="scann_search")
        self._candidates, self.dimension = exact.embeddings.shape
        if settings is not None and not tree_is_possible(self._candidates, settings.leaves):
            raise ValueError(
                f"ScaNN cannot build a tree of {settings.leaves} leaves on {self._candidates} candidates: it needs "
                f"at least {_SMALLEST_TREE} candidates and one a leaf; use brute force"
            )
        from scann.scann_ops.py import scann_ops

        self._ops = scann_ops
        self.settings = settings
        searcher = _builder(scann_ops, exact.embeddings.read_value(), settings).build()
        self.state = searcher.serialize_to_module()
        _free(searcher)
        self.state.dataset = exact.embeddings  # equal to the copy that ScaNN hands out
        for part in self.state.variables:
            if part.shape.rank == 0 and part.dtype != tf.string:
                part.assign(tf.zeros_like(part))  # stands for a part this index lacks; comes uninitialised

    def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Search.search`; a tree searches wider for a larger `count`, so that the answers do not run out."""
        rows, scores = self.found(queries, count)
        return first_kept(rows, scores, tf.math.is_finite(scores), count=count)

    def found(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Search.found`."""
        return _ask(self._ops.searcher_from_module(self.state), queries, count, *self.width(count))

    @property
    def is_exhaustive(self) -> bool:
        """See `Search`."""
        return self.settings is None

    @contextmanager
    def opened(self) -> Iterator[SearchWithin]:
        """`search` as a compiled function that takes the leaves to search and the reorder too, int32 scalars.

        It holds the index in memory once and no longer than the context; what `tf.function` makes of `search` holds
        another copy as long as the process lives.
        """
        searcher = self._ops.searcher_from_module(self.state)
        number = tf.TensorSpec([], tf.int32)
        signature = [tf.TensorSpec([None, self.dimension], tf.float32), number, number, number]
        try:
            yield tf.function(partial(_search, searcher), input_signature=signature)
        finally:
            _free(searcher)

    @contextmanager
    def asked(self) -> Iterator[Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        """`search` as a compiled function that holds the index in memory no longer than the context; see `opened`."""
        with self.opened() as search_within:
            yield lambda queries, count: search_within(queries, count, *self.width(count))

    def vectors(self, rows: tf.Tensor) -> tf.Tensor:
        """See `Search.vectors`."""
        return _rows_of(self.state.dataset, rows)

    def width(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Leaves to search and candidates to score again for `count` answers; -1 is brute force's."""
        if self.settings is None:
            return tf.constant(-1), tf.constant(-1)
        settings = self.settings
        growth = tf.maximum(tf.cast(count, tf.float32) / settings.answers, 1.0)
        reorder = tf.cast(tf.math.ceil(growth * settings.reorder), tf.int32)
        # Never fewer leaves than hold twice the answers on average; leaves differ in size.
        least = tf.cast(tf.math.ceil(2.0 * tf.cast(count, tf.float32) * settings.leaves / self._candidates), tf.int32)
        # With their square root recall does not fall as answers grow.
        leaves = tf.maximum(tf.cast(tf.math.ceil(tf.sqrt(growth) * settings.leaves_to_search), tf.int32), least)
        return tf.minimum(leaves, settings.leaves), tf.minimum(reorder, self._candidates)


def name_resource(search: ScannSearch, name: str) -> None:
    """Makes an index the second one of a saved model.

    A loaded model tells ScaNN's indexes apart by the names of the operations that make them, which are all alike: the
    one that is asked first would answer for both.

    Args:
        search: the index.
        name: of its own, as an operation may be called.
    """
    state = search.state

    def handle() -> tf.Tensor:
        from scann.scann_ops.py import scann_ops

        with tf.name_scope(name):
            return scann_ops.tensors_to_scann(
                state.dataset, state.scann_config, state.serialized_partitioner, state.datapoint_to_token,
                state.ah_codebook, state.hashed_dataset, state.int8_dataset, state.int8_multipliers, state.dp_norms,
            )  # fmt: skip

    state.recreate_handle = tf.function(handle, input_signature=[])


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


def _search(
    searcher: Any, queries: tf.Tensor, count: tf.Tensor, leaves: tf.Tensor, reorder: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    rows, scores = _ask(searcher, queries, count, leaves, reorder)
    return first_kept(rows, scores, tf.math.is_finite(scores), count=count)


def _ask(
    searcher: Any, queries: tf.Tensor, count: tf.Tensor, leaves: tf.Tensor, reorder: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """See `Search.found`: short rows come back with the first row's number and NaN, as wide as the longest only."""
    batch = tf.shape(queries)[0]
    # The operation fails on an empty batch.
    padded = tf.pad(queries, [[0, tf.cast(tf.equal(batch, 0), tf.int32)], [0, 0]])
    rows, scores = searcher.search_batched_parallel(padded, count, reorder, leaves)
    return rows[:batch], scores[:batch]


def _rows_of(table: tf.Variable, rows: tf.Tensor) -> tf.Tensor:
    # Gathering from the variable itself would make every later read of it a copy of the whole, for every request.
    return tf.gather(table.read_value(), rows)


def _free(searcher: Any) -> None:
    # A searcher lives in TensorFlow's resource manager, with a copy of the vectors, until it is destroyed.
    tf.raw_ops.DestroyResourceOp(resource=searcher.searcher_handle)


def _builder(ops: Any, embeddings: tf.Tensor, settings: TreeSettings | None) -> Any:
    answers = 10 if settings is None else settings.answers
    builder = ops.builder(embeddings, min(answers, embeddings.shape[0]), "dot_product")
    if settings is None:
        return builder.score_brute_force()
    sample = min(settings.training_sample, embeddings.shape[0])
    return (
        # Random initial centres differ from build to build.
        builder.tree(
            settings.leaves, settings.leaves_to_search, training_sample_size=sample, random_init=False, avq=_AVQ
        )
        .score_ah(
            settings.dimensions_per_block,
            anisotropic_quantization_threshold=settings.anisotropic_threshold,
            training_sample_size=sample,
        )
        .reorder(settings.reorder)
    )


def _concat(blocks: tf.TensorArray, count: tf.Tensor) -> tf.Tensor:
    # An array of no blocks, from an empty batch, has no shape to concatenate.
    return tf.cond(blocks.size() > 0, blocks.concat, lambda: tf.zeros([0, count], blocks.dtype))
