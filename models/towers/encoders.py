"""Layers from encoded columns to vectors: embeddings of tokens and pooled histories.

Layers here and in `towers` take the random seed of a step, `seed` int32 `[2]`, as an argument, so that dropout is a
function of (seed, step). Without a seed they run in inference mode.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from models.spec.features import EncodedColumn, Side

OOV_TOKEN = 1
"""The first out-of-vocabulary token; 0 is missing or padding."""

_ATTENTION_WIDTH = 32


def dropout(values: tf.Tensor, rate: float, seed: tf.Tensor | None, salt: int) -> tf.Tensor:
    """Inverted dropout (Srivastava et al. 2014); equal `seed` and `salt` drop the same values."""
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
    """A table `[rows, width]` whose rows are initialised with a length of about 1."""
    table = tf.keras.layers.Embedding(
        rows, width, embeddings_initializer=tf.keras.initializers.RandomNormal(stddev=width**-0.5), name=name
    )
    table.build(None)
    return table


@dataclass(frozen=True)
class Table:
    """An embedding table and the column whose tokens are its rows.

    Attributes:
        side: side of the column.
        column: name of the column.
        layer: the table.
    """

    side: Side
    column: str
    layer: tf.keras.layers.Embedding


def mean_of_tokens(table: tf.keras.layers.Embedding, tokens: tf.Tensor) -> tf.Tensor:
    """Mean embedding of the non-zero tokens, `[rows, width]` → `[rows, dim]`; zeros for rows without tokens.

    For example, `tokens` [[3, 5], [3, 0], [0, 0]] give the mean of embeddings 3 and 5, embedding 3, and zeros.
    """
    # Most of a list is padding, so only the other cells are looked up, in the forward pass and in the gradient.
    rows, cells = tf.shape(tokens)[0], tf.where(tokens != 0)
    total = tf.math.unsorted_segment_sum(table(tf.gather_nd(tokens, cells)), cells[:, 0], rows)
    number = tf.reduce_sum(tf.cast(tokens != 0, tf.float32), axis=1, keepdims=True)
    return total / tf.maximum(number, 1.0)


def weighted_sum(weights: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Weighted sum over the second axis, `[rows, n]` and `[rows, n, dim]` → `[rows, dim]`."""
    return tf.squeeze(tf.matmul(weights[:, None, :], vectors), axis=1)


def table_width(column: EncodedColumn, *, widest: int) -> int:
    """Width of the embedding of a column of tokens; one that its feature does not set grows with the vocabulary."""
    return column.embedding_dim or min(widest, math.ceil(6 * column.vocabulary_size**0.25))


class ColumnEncoder(tf.keras.layers.Layer):
    """Encodes one column as a vector: `[rows, width]` → `[rows, dim]`.

    Dense columns are returned unchanged. A single token is looked up; token 0 has its own row, initialised with zeros.
    Lists of tokens are averaged.

    Args:
        column: description of the column.
        widest: maximum width of an embedding whose feature does not set one.
    """

    def __init__(self, column: EncodedColumn, *, widest: int, name: str) -> None:
        super().__init__(name=name)
        self._column = column
        self._table: tf.keras.layers.Embedding | None = None
        if column.kind == "tokens":
            width = table_width(column, widest=widest)
            self._table = embedding(column.vocabulary_size, width, name)
            # If no value is missing in training, a missing one must not add noise at serving time.
            self._table.embeddings.scatter_update(tf.IndexedSlices(tf.zeros([1, width]), tf.constant([0])))

    @property
    def table(self) -> tf.keras.layers.Embedding | None:
        """The embedding table; None for dense columns."""
        return self._table

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """See the class."""
        if self._table is None:
            return values
        if self._column.width == 1:
            return self._table(values[:, 0])
        return mean_of_tokens(self._table, values)


class ColumnsEncoder(tf.keras.layers.Layer):
    """Encodes several columns as a list of vectors, in the order of their names.

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

    def vectors(self, inputs: Mapping[str, tf.Tensor], columns: Iterable[str]) -> list[tf.Tensor]:
        """The vectors of some of the columns, each `[rows, dim]`."""
        return [self._encoders[column](inputs[column]) for column in columns]

    def tables(self) -> dict[str, tf.keras.layers.Embedding]:
        """The embedding table of each column of tokens."""
        return {column: encoder.table for column, encoder in self._encoders.items() if encoder.table is not None}


class HistoryPooling(tf.keras.layers.Layer):
    """Pools a history of tokens, most recent first, to one vector: `[rows, length]` → `[rows, dim]`.

    The weights of the events are a softmax. For ordered events its logits are learned per position and start at
    log(0.9) · age. Attention adds v·tanh(W·e) for each event's embedding e (Bahdanau et al. 2015), which starts at 0.
    With neither, all events have the same weight. An empty history gives zeros.

    Args:
        length: number of positions of the history.
        ordered: whether the events have an order.
        attention: whether the weights depend on the events.
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
        """Pools the embeddings of the tokens in `table`; `seed` is not used, because nothing is dropped."""
        if self._logits is None and self._hidden is None:
            return mean_of_tokens(table, tokens)
        vectors, logits = table(tokens), tf.zeros(tf.shape(tokens))
        if self._logits is not None:
            logits += self._logits[None, : tf.shape(tokens)[1]]
        if self._hidden is not None:
            logits += tf.squeeze(self._attention(self._hidden(vectors)), axis=2)
        weights = tf.nn.softmax(tf.where(tokens == 0, -1e9, logits)) * tf.cast(tokens != 0, tf.float32)
        return weighted_sum(weights, vectors)
