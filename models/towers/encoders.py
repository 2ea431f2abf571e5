"""From encoded columns to vectors: embeddings of tokens, pooled histories.

Layers here and in `towers` take the random numbers of a step as an argument, `seed` int32 `[2]`, so that what they
drop is a function of (seed, step); without one they run in inference mode.
"""

import math
from collections.abc import Mapping

import tensorflow as tf

from models.spec.features import EncodedColumn

OOV_TOKEN = 1
"""The first out-of-vocabulary row; 0 is missing or padding."""

_ATTENTION_WIDTH = 32


def dropout(values: tf.Tensor, rate: float, seed: tf.Tensor | None, salt: int) -> tf.Tensor:
    """Inverted dropout (Srivastava et al. 2014) that repeats for the same `seed` and `salt`."""
    if seed is None or rate == 0:
        return values
    return tf.nn.experimental.stateless_dropout(values, rate, tf.random.experimental.stateless_fold_in(seed, salt))


def chosen(like: tf.Tensor, rate: float, seed: tf.Tensor | None, salt: int) -> tf.Tensor:
    """Booleans shaped `like`, each true with probability `rate`; all false without a `seed`."""
    if seed is None or rate == 0:
        return tf.zeros_like(like, tf.bool)
    seed = tf.random.experimental.stateless_fold_in(seed, salt)
    return tf.random.stateless_uniform(tf.shape(like), seed) < rate


def embedding(rows: int, width: int, name: str) -> tf.keras.layers.Embedding:
    """A table `[rows, width]` whose rows start with a length of about 1."""
    table = tf.keras.layers.Embedding(
        rows, width, embeddings_initializer=tf.keras.initializers.RandomNormal(stddev=width**-0.5), name=name
    )
    table.build(None)
    return table


def mean_of_tokens(table: tf.keras.layers.Embedding, tokens: tf.Tensor) -> tf.Tensor:
    """Mean embedding of the non-zero tokens, `[rows, width]` → `[rows, dim]`; zeros where there are none."""
    # Most places of a list are padding: only the others are looked up, forwards and in the gradient.
    rows, places = tf.shape(tokens)[0], tf.where(tokens != 0)
    total = tf.math.unsorted_segment_sum(table(tf.gather_nd(tokens, places)), places[:, 0], rows)
    number = tf.reduce_sum(tf.cast(tokens != 0, tf.float32), axis=1, keepdims=True)
    return total / tf.maximum(number, 1.0)


def weighted_sum(weights: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Sum over the second axis, `[rows, n]` and `[rows, n, dim]` → `[rows, dim]`."""
    return tf.squeeze(tf.matmul(weights[:, None, :], vectors), axis=1)


class ColumnEncoder(tf.keras.layers.Layer):
    """One encoded column to a vector: `[rows, width]` → `[rows, dim]`.

    Dense columns pass. A single token is looked up, 0 having a row of its own that starts at zero; lists of tokens are
    averaged.

    Args:
        column: what the column holds.
        widest: the most an embedding may take where the feature does not say its width.
    """

    def __init__(self, column: EncodedColumn, *, widest: int, name: str) -> None:
        super().__init__(name=name)
        self._column = column
        self._table: tf.keras.layers.Embedding | None = None
        if column.kind == "tokens":
            width = column.embedding_dim or min(widest, math.ceil(6 * column.vocabulary_size**0.25))
            self._table = embedding(column.vocabulary_size, width, name)
            # If training never misses a value, a missing one must not add noise when it first comes.
            self._table.embeddings.scatter_update(tf.IndexedSlices(tf.zeros([1, width]), tf.constant([0])))

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """See the class."""
        if self._table is None:
            return values
        if self._column.width == 1:
            return self._table(values[:, 0])
        return mean_of_tokens(self._table, values)


class ColumnsEncoder(tf.keras.layers.Layer):
    """Several encoded columns to a list of vectors, in the order of the names.

    Args:
        columns: encoded columns by name.
        widest: as in `ColumnEncoder`.
    """

    def __init__(self, columns: Mapping[str, EncodedColumn], *, widest: int, name: str) -> None:
        super().__init__(name=name)
        self._encoders = {
            column: ColumnEncoder(columns[column], widest=widest, name=column) for column in sorted(columns)
        }

    def call(self, inputs: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        """See the class."""
        return [encoder(inputs[column]) for column, encoder in self._encoders.items()]


class HistoryPooling(tf.keras.layers.Layer):
    """A history of tokens to one vector: `[rows, length]`, most recent first → `[rows, dim]`.

    Events weigh by a softmax. With an order, its logits are learned ones a position, at first .9 to the power of their
    age. Attention adds v·tanh(W·e) for each event's embedding e (Bahdanau et al. 2015), at first 0. With neither, all
    weigh alike. An empty history gives zeros.

    Args:
        length: positions of the history.
        ordered: whether the positions mean anything.
        attention: whether events weigh by what they are.
    """

    def __init__(self, length: int, *, ordered: bool, attention: bool = False, name: str = "history") -> None:
        super().__init__(name=name)
        self._logits: tf.Variable | None = None
        self._hidden: tf.keras.layers.Layer | None = None
        if ordered:
            start = [math.log(0.9) * age for age in range(length)]
            self._logits = self.add_weight("recency", (length,), initializer=tf.keras.initializers.Constant(start))
        if attention:
            self._hidden = tf.keras.layers.Dense(_ATTENTION_WIDTH, activation="tanh", name="attention_hidden")
            self._attention = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="attention")

    def call(self, tokens: tf.Tensor, table: tf.keras.layers.Embedding, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Pools the embeddings that `table` has of the tokens; nothing is dropped, whatever the `seed`."""
        if self._logits is None and self._hidden is None:
            return mean_of_tokens(table, tokens)
        vectors, logits = table(tokens), tf.zeros(tf.shape(tokens))
        if self._logits is not None:
            logits += self._logits[None, : tf.shape(tokens)[1]]
        if self._hidden is not None:
            logits += tf.squeeze(self._attention(self._hidden(vectors)), axis=2)
        weights = tf.nn.softmax(tf.where(tokens == 0, -1e9, logits)) * tf.cast(tokens != 0, tf.float32)
        return weighted_sum(weights, vectors)
