"""History encoders that read event by event. They have a state after each event and train on all states in one pass.

State `t` depends only on the first `t` events. Histories are read oldest first from position 0, so the state after an
event is the same whether the history ends there (serving) or continues (training).
"""

import numpy as np
import tensorflow as tf

from models.spec.history_config import GRU, SelfAttention
from models.towers.encoders import dropout

_SALT = 1000
"""Separates these random numbers from those of the towers' other layers."""


class SequenceEncoder(tf.keras.layers.Layer):
    """Encodes a history of tokens, most recent first, as the state after it: `[rows, length]` → `[rows, dim]`.

    A learned start vector comes before the first event, so an empty history has a state too.

    Args:
        dim: length of a state and of the events' embeddings.
        rate: dropout rate of the event embeddings.
    """

    def __init__(self, dim: int, rate: float) -> None:
        super().__init__(name="history")
        self._dim = dim
        self._rate = rate
        self._start = self.add_weight("start", (dim,), initializer=tf.keras.initializers.RandomNormal(stddev=dim**-0.5))

    def call(
        self,
        tokens: tf.Tensor,
        table: tf.keras.layers.Embedding,
        seed: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Encodes the tokens with the embeddings of `table`; a `seed` turns on dropout.

        Args:
            tokens: int32 `[rows, length]`, most recent first, padded with 0 at the end.
            table: embeds the tokens.
            seed: seed of the step's random numbers, int32 `[2]`; None for inference.
            positions: states to return, as row · (length + 1) + number of events read; None returns the last of each
                row.
        """
        lengths = tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32)
        vectors = table(tf.reverse_sequence(tokens, lengths, seq_axis=1))
        start = tf.broadcast_to(self._start, tf.stack([tf.shape(tokens)[0], 1, self._dim]))
        states = self.states(dropout(tf.concat([start, vectors], axis=1), self._rate, seed, _SALT), seed)
        if positions is None:
            return tf.gather(states, lengths, batch_dims=1)
        return tf.gather(tf.reshape(states, [-1, self._dim]), positions)

    def states(self, vectors: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """States after the start vector and after each event, `[rows, 1 + length, dim]` → the same shape."""
        raise NotImplementedError


class GRUEncoder(SequenceEncoder):
    """A gated recurrent unit (GRU4Rec, Hidasi et al. 2016)."""

    def __init__(self, config: GRU, *, dim: int) -> None:
        super().__init__(dim, config.dropout)
        self._gru = tf.keras.layers.GRU(dim, return_sequences=True)

    def states(self, vectors: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """See the class."""
        return self._gru(vectors)


class SelfAttentionEncoder(SequenceEncoder):
    """Causal transformer blocks (SASRec, Kang & McAuley 2018).

    Args:
        config: the blocks.
        dim: length of a state.
        length: maximum length of a history.
    """

    def __init__(self, config: SelfAttention, *, dim: int, length: int) -> None:
        super().__init__(dim, config.dropout)
        if dim % config.heads:
            raise ValueError(f"embedding_dim {dim} is not divisible by {config.heads} heads")
        small = tf.keras.initializers.RandomNormal(stddev=dim**-0.5)
        self._positions = self.add_weight("positions", (length + 1, dim), initializer=small)
        self._blocks = [_Block(config, dim, length + 1, _SALT + 2 * index + 1) for index in range(config.blocks)]
        self._norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)

    def states(self, vectors: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """See the class."""
        length = tf.shape(vectors)[1]
        # Rows of the table are initialised with a length of about 1; the layers expect elements of about 1.
        vectors = vectors * self._dim**0.5 + self._positions[:length]
        # Padding comes last, so the causal mask hides it too.
        mask = (1 - tf.linalg.band_part(tf.ones([length, length]), -1, 0)) * tf.float32.min
        for block in self._blocks:
            vectors = block(vectors, mask, seed)
        return self._norm(vectors)


class _Block(tf.keras.layers.Layer):
    """x + attention(norm(x)), then x + feed_forward(norm(x)); `[rows, n, dim]` → the same shape."""

    def __init__(self, config: SelfAttention, dim: int, length: int, salt: int) -> None:
        super().__init__()
        self._recency: tf.Variable | None = None
        if config.recency_bias:
            slopes = 2.0 ** (-8.0 * np.arange(1, config.heads + 1) / config.heads)
            start = tf.keras.initializers.Constant(-slopes[:, None] * np.arange(length))
            self._recency = self.add_weight("recency", (config.heads, length), initializer=start)
        self._heads, self._rate, self._salt = config.heads, config.dropout, salt
        self._norms = [tf.keras.layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self._inputs = tf.keras.layers.Dense(3 * dim)  # queries, keys and values in one product
        self._output = tf.keras.layers.Dense(dim)
        self._hidden = tf.keras.layers.Dense(config.expansion * dim, activation="relu")
        self._hidden_output = tf.keras.layers.Dense(dim)

    def call(self, vectors: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """See the class; `mask` `[n, n]` is added to the attention logits."""
        if self._recency is not None:
            mask += self._bias(tf.shape(vectors)[1])
        attended = self._output(self._attend(self._norms[0](vectors), mask))
        vectors += dropout(attended, self._rate, seed, self._salt)
        hidden = self._hidden_output(self._hidden(self._norms[1](vectors)))
        return vectors + dropout(hidden, self._rate, seed, self._salt + 1)

    def _bias(self, length: tf.Tensor) -> tf.Tensor:
        """Recency bias of the logits by the distance of two events, `[heads, length, length]`."""
        positions = tf.range(length)
        ages = tf.maximum(positions[:, None] - positions[None, :], 0)
        return tf.gather(self._recency, ages, axis=1)

    def _attend(self, vectors: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        rows, length, dim = tf.shape(vectors)[0], tf.shape(vectors)[1], vectors.shape[2]
        parts = tf.reshape(self._inputs(vectors), tf.stack([rows, length, 3, self._heads, dim // self._heads]))
        queries, keys, values = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))
        logits = tf.matmul(queries * (dim // self._heads) ** -0.5, keys, transpose_b=True) + mask
        mixed = tf.transpose(tf.matmul(tf.nn.softmax(logits), values), [0, 2, 1, 3])
        return tf.reshape(mixed, tf.stack([rows, length, dim]))
