"""A tower that is made of two, so that a score is the sum of both scores."""

from collections.abc import Mapping

import tensorflow as tf


class SideBySide(tf.keras.layers.Layer):
    """Concatenates the embeddings of two towers, `[rows, first dim + second dim]`, each times its factor.

    Args:
        first: a query tower, or a candidate tower.
        second: another one of the same side.
        factors: of the first and of the second embedding.
        name: of the layer.
    """

    def __init__(
        self, first: tf.keras.layers.Layer, second: tf.keras.layers.Layer, factors: tuple[float, float], *, name: str
    ) -> None:
        super().__init__(name=name)
        self.first, self.second, self._factors = first, second, factors

    def call(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See the class."""
        towers = zip((self.first, self.second), self._factors, strict=True)
        return tf.concat([factor * tower(inputs) for tower, factor in towers], axis=1)
