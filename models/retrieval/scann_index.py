"""Approximate search with ScaNN (Guo et al. 2020).

ScaNN is imported only where its index is built: whoever loads a saved one imports `scann` first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import tensorflow as tf

from models.retrieval.index import ExactSearch, first_kept, rows_of
from models.spec.tree_settings import SMALLEST_TREE, TreeSettings, tree_is_possible

SearchWithin = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

_AVQ = 4.0  # errors along the vector weigh more in centres too: a sixth fewer leaves hold as many of the answers


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
                f"at least {SMALLEST_TREE} candidates and one a leaf; use brute force"
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
        return rows_of(self.state.dataset, rows)

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
