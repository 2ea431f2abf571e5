"""Approximate search with ScaNN (Guo et al. 2020).

This module imports `scann` only when it builds an index. A program that loads a saved index must import `scann` first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import tensorflow as tf

from models.retrieval.index import ExactSearch, first_kept, rows_of
from models.spec.tree_settings import SMALLEST_TREE, TreeSettings, tree_is_possible

SearchWithin = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

_AVQ = 4.0  # weighs errors parallel to a vector more in the centres, so a sixth fewer leaves reach the same recall


class ScannSearch(tf.Module):
    """ScaNN's index: a quantised tree, or ScaNN's brute force if `settings` is None.

    Attributes:
        settings: settings of the tree. `leaves_to_search` and `reorder` only affect the search and may be changed.
    """

    def __init__(self, exact: ExactSearch, settings: TreeSettings | None) -> None:
        """Builds the index; the same embeddings and settings give the same index.

        Args:
            exact: exact search over the same candidates; its embeddings are shared, not copied.
            settings: settings of the tree; None for brute force.

        Raises:
            ValueError: there are too few candidates for the tree.
        """
        super().__init__(name="scann_search")
        self._candidates, self.dimension = exact.embeddings.shape
        if settings is not None and not tree_is_possible(self._candidates, settings.leaves):
            raise ValueError(
                f"ScaNN cannot build a tree of {settings.leaves} leaves on {self._candidates} candidates: it needs "
                f"at least {SMALLEST_TREE} candidates and one per leaf; use brute force"
            )
        from scann.scann_ops.py import scann_ops

        self._ops = scann_ops
        self.settings = settings
        searcher = _builder(scann_ops, exact.embeddings.read_value(), settings).build()
        self.state = searcher.serialize_to_module()
        _free(searcher)
        self.state.dataset = exact.embeddings  # replaces ScaNN's own copy
        for part in self.state.variables:
            if part.shape.rank == 0 and part.dtype != tf.string:
                part.assign(tf.zeros_like(part))  # uninitialised placeholder of a part that this index lacks

    def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Search.search`; a tree searches more leaves for a larger `count`, so that there are enough answers."""
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
        """Yields `search` as a compiled function that also takes the leaves to search and the reorder, int32 scalars.

        The function holds one copy of the index, which is freed at the end of the context. `tf.function(self.search)`
        would hold another copy until the process ends.
        """
        searcher = self._ops.searcher_from_module(self.state)
        number = tf.TensorSpec([], tf.int32)
        signature = [tf.TensorSpec([None, self.dimension], tf.float32), number, number, number]
        try:
            yield tf.function(partial(_search, searcher), input_signature=signature, autograph=False)
        finally:
            _free(searcher)

    @contextmanager
    def asked(self) -> Iterator[Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        """Yields `search` as a compiled function whose copy of the index is freed afterwards; see `opened`."""
        with self.opened() as search_within:
            yield lambda queries, count: search_within(queries, count, *self.width(count))

    def vectors(self, rows: tf.Tensor) -> tf.Tensor:
        """See `Search.vectors`."""
        return rows_of(self.state.dataset, rows)

    def width(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Leaves to search and candidates to rescore for `count` answers; both -1 for brute force."""
        if self.settings is None:
            return tf.constant(-1), tf.constant(-1)
        settings = self.settings
        growth = tf.maximum(tf.cast(count, tf.float32) / settings.answers, 1.0)
        reorder = tf.cast(tf.math.ceil(growth * settings.reorder), tf.int32)
        # Leaves differ in size, so at least as many are searched as hold twice the answers on average.
        least = tf.cast(tf.math.ceil(2.0 * tf.cast(count, tf.float32) * settings.leaves / self._candidates), tf.int32)
        # Leaves grow with the square root of the answers, which keeps recall from falling.
        leaves = tf.maximum(tf.cast(tf.math.ceil(tf.sqrt(growth) * settings.leaves_to_search), tf.int32), least)
        return tf.minimum(leaves, settings.leaves), tf.minimum(reorder, self._candidates)


def name_resource(search: ScannSearch, name: str) -> None:
    """Gives an index its own resource name, so that a saved model can hold two indexes.

    A loaded model identifies ScaNN's indexes by the names of the operations that make them, which are equal by default.
    The index that is searched first would then answer for both.

    Args:
        search: the index.
        name: unique name that is valid for an operation.
    """
    state = search.state

    def handle() -> tf.Tensor:
        from scann.scann_ops.py import scann_ops

        with tf.name_scope(name):
            return scann_ops.tensors_to_scann(
                state.dataset, state.scann_config, state.serialized_partitioner, state.datapoint_to_token,
                state.ah_codebook, state.hashed_dataset, state.int8_dataset, state.int8_multipliers, state.dp_norms,
            )  # fmt: skip

    state.recreate_handle = tf.function(handle, input_signature=[], autograph=False)


def _search(
    searcher: Any, queries: tf.Tensor, count: tf.Tensor, leaves: tf.Tensor, reorder: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    rows, scores = _ask(searcher, queries, count, leaves, reorder)
    return first_kept(rows, scores, tf.math.is_finite(scores), count=count)


def _ask(
    searcher: Any, queries: tf.Tensor, count: tf.Tensor, leaves: tf.Tensor, reorder: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """See `Search.found`. The width is that of the longest row; ScaNN fills shorter rows with row 0 and NaN."""
    batch = tf.shape(queries)[0]
    # The operation fails on an empty batch.
    padded = tf.pad(queries, [[0, tf.cast(tf.equal(batch, 0), tf.int32)], [0, 0]])
    rows, scores = searcher.search_batched_parallel(padded, count, reorder, leaves)
    return rows[:batch], scores[:batch]


def _free(searcher: Any) -> None:
    # TensorFlow's resource manager keeps a searcher, with a copy of the vectors, until it is destroyed.
    tf.raw_ops.DestroyResourceOp(resource=searcher.searcher_handle)


def _builder(ops: Any, embeddings: tf.Tensor, settings: TreeSettings | None) -> Any:
    answers = 10 if settings is None else settings.answers
    builder = ops.builder(embeddings, min(answers, embeddings.shape[0]), "dot_product")
    if settings is None:
        return builder.score_brute_force()
    sample = min(settings.training_sample, embeddings.shape[0])
    return (
        # Random initial centres would differ between builds.
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
