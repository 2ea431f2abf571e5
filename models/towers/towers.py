"""The two towers: encoded columns in, embeddings out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.spec.config import ModelConfig, TowerConfig
from models.spec.features import CANDIDATE_ID, EXAMPLE_AGE, HISTORY, EncodedSpec
from models.spec.history_config import GRU, SelfAttention
from models.towers.encoders import OOV_TOKEN, ColumnsEncoder, HistoryPooling, Table, chosen, dropout, embedding
from models.towers.sequence_encoders import GRUEncoder, SelfAttentionEncoder, SequenceEncoder


class Projection(tf.keras.layers.Layer):
    """Cross layers, hidden layers and a linear projection: a list of `[rows, n]` → `[rows, dim]`.

    Args:
        config: the tower's layers.
        dim: length of the embedding.
    """

    def __init__(self, config: TowerConfig, dim: int, *, name: str) -> None:
        super().__init__(name=name)
        self._rate = config.dropout
        self._cross = [tfrs.layers.dcn.Cross() for _ in range(config.cross_layers)]
        self._hidden = [tf.keras.layers.Dense(width) for width in config.layers]
        self._norms = [tf.keras.layers.LayerNormalization() for _ in config.layers] if config.layer_norm else None
        self._activation = tf.keras.activations.get(config.activation)
        self._output = tf.keras.layers.Dense(dim)

    def call(self, inputs: Sequence[tf.Tensor], seed: tf.Tensor | None = None) -> tf.Tensor:
        """See the class; a `seed` turns on dropout."""
        crossed = values = dropout(tf.concat(inputs, axis=1), self._rate, seed, 0)
        for cross in self._cross:
            crossed = cross(values, crossed)
        values = crossed
        for depth, hidden in enumerate(self._hidden):
            values = hidden(values)
            if self._norms is not None:
                values = self._norms[depth](values)
            values = dropout(self._activation(values), self._rate, seed, depth + 1)
        return self._output(values)


class CommonVector(tf.keras.layers.Layer):
    """Replaces the projection of a tower that has none: one learned vector `[1, dim]` for all rows.

    Args:
        dim: length of the embedding.
    """

    def __init__(self, dim: int, *, name: str) -> None:
        super().__init__(name=name)
        self.vector = self.add_weight("vector", (1, dim), initializer="zeros")

    def call(self, inputs: Sequence[tf.Tensor], seed: tf.Tensor | None = None) -> tf.Tensor:
        """See the class; the inputs are ignored."""
        return tf.convert_to_tensor(self.vector)


_ToEmbedding: TypeAlias = Projection | CommonVector


def _to_embedding(config: TowerConfig, dim: int) -> _ToEmbedding:
    if config.projection:
        return Projection(config, dim, name="projection")
    return CommonVector(dim, name="projection")


class _Tower(tf.keras.layers.Layer):
    def __init__(
        self, tower: TowerConfig, model: ModelConfig, *, name: str, projection: _ToEmbedding | None = None
    ) -> None:
        super().__init__(name=name)
        self.projection = projection or _to_embedding(tower, model.width)
        self._residual = tower.residual
        self._cosine = model.score == "cosine"

    def _embed(self, inputs: Sequence[tf.Tensor], skip: tf.Tensor | None, seed: tf.Tensor | None) -> tf.Tensor:
        values = self.projection(inputs, seed)
        if self._residual and skip is not None:
            values += skip
        return tf.math.l2_normalize(values, axis=1) if self._cosine else values


class CandidateTower(_Tower):
    """Embeds encoded candidate columns, `[rows, dim]`.

    Attribute `items` is the table of candidate ids.

    Args:
        spec: the encoded columns.
        config: the model's settings.
        items: table of candidate ids.
        projection: the query tower's projection, for siamese towers.
    """

    def __init__(
        self,
        spec: EncodedSpec,
        config: ModelConfig,
        items: tf.keras.layers.Embedding,
        projection: _ToEmbedding | None = None,
    ) -> None:
        tower = config.query_tower if config.siamese else config.candidate_tower
        super().__init__(tower, config, name="candidate_tower", projection=projection)
        self.items = items
        self._id_dropout = config.id_dropout
        others = {name: column for name, column in spec.candidate.items() if name != CANDIDATE_ID}
        self._features = ColumnsEncoder(others, widest=config.width, name="features")
        self._augmented = augmented_vectors(config, spec.candidate[CANDIDATE_ID].vocabulary_size)
        self._bias: tf.keras.layers.Embedding | None = None
        if config.popularity_bias:
            rows = spec.candidate[CANDIDATE_ID].vocabulary_size
            self._bias = tf.keras.layers.Embedding(rows, 1, embeddings_initializer="zeros", name="popularity_bias")

    def call(self, inputs: Mapping[str, tf.Tensor], seed: tf.Tensor | None = None) -> tf.Tensor:
        """See the class; a `seed` turns on dropout."""
        tokens = inputs[CANDIDATE_ID][:, 0]
        tokens = tf.where(chosen(tokens, self._id_dropout, seed, 100), OOV_TOKEN, tokens)
        item = self.items(tokens)
        vectors = [item, *self._features(inputs)]
        if self._augmented is not None:
            vectors.append(self._augmented(tokens))
        embedded = self._embed(vectors, item, seed)
        return embedded if self._bias is None else tf.concat([embedded, self._bias(tokens)], axis=1)

    @property
    def features(self) -> ColumnsEncoder:
        """Encoder of the columns besides the id."""
        return self._features

    def tables(self) -> Iterator[Table]:
        """The embedding tables."""
        for layer in (self.items, self._augmented, self._bias):
            if layer is not None:
                yield Table("candidate", CANDIDATE_ID, layer)
        for column, layer in self._features.tables().items():
            yield Table("candidate", column, layer)

    def augmented(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The candidates' augmented vectors, `[rows, dim]`; see `models.spec.augmentation_config`."""
        assert self._augmented is not None
        return self._augmented(inputs[CANDIDATE_ID][:, 0])


class QueryTower(_Tower):
    """Embeds encoded query and context columns and the history, `[rows, dim]`.

    Attribute `items` is the table of candidate ids for the history.

    Args:
        spec: the encoded columns.
        config: the model's settings.
        items: table of candidate ids for the history.
        ordered: whether the history has an order.
    """

    def __init__(
        self, spec: EncodedSpec, config: ModelConfig, items: tf.keras.layers.Embedding, *, ordered: bool
    ) -> None:
        super().__init__(config.query_tower, config, name="query_tower")
        self.items = items
        self._example_age, self._bias = config.example_age, config.popularity_bias
        self._augmented: tf.keras.layers.Embedding | None = None
        if config.augmentation is not None:
            self._query_id = config.augmentation.query_id
            self._augmented = augmented_vectors(config, spec.query[self._query_id].vocabulary_size)
        self._features = ColumnsEncoder({**spec.query, **spec.context}, widest=config.width, name="features")
        self._of_query = frozenset(spec.query)
        self._history: HistoryPooling | SequenceEncoder | None = None
        if spec.features.history is not None:
            self._history = _history_encoder(config, spec.features.history.max_length, ordered=ordered)

    def call(
        self, inputs: Mapping[str, tf.Tensor], seed: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        """See the class; a `seed` turns on dropout.

        Args:
            inputs: columns, each `[rows, width]`.
            seed: seed of the step's random numbers, int32 `[2]`; None for inference.
            positions: state of the history encoder for each row, as in `models.towers.sequence_encoders`. The history
                then has its own number of rows.
        """
        vectors, history = self._features(inputs), None
        if self._history is not None:
            states = {} if positions is None else {"positions": positions}
            history = self._history(inputs[HISTORY], self.items, seed, **states)
            vectors = [history, *vectors]
        if self._augmented is not None:
            vectors.append(self.augmented(inputs))
        if self._example_age:
            # Serving passes no age: a request is made now, so its age is 0.
            age = inputs.get(EXAMPLE_AGE)
            vectors.append(tf.zeros_like(vectors[0][:, :1]) if age is None else tf.math.log1p(age))
        embedded = self._embed(vectors, history, seed)
        return tf.concat([embedded, tf.ones_like(embedded[:, :1])], axis=1) if self._bias else embedded

    @property
    def features(self) -> ColumnsEncoder:
        """Encoder of the query and context columns."""
        return self._features

    def tables(self) -> Iterator[Table]:
        """The embedding tables; the table of candidate ids may be that of the candidate tower."""
        yield Table("candidate", CANDIDATE_ID, self.items)
        if self._augmented is not None:
            yield Table("query", self._query_id, self._augmented)
        for column, layer in self._features.tables().items():
            yield Table("query" if column in self._of_query else "context", column, layer)

    def augmented(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The queries' augmented vectors, `[rows, dim]`; see `models.spec.augmentation_config`."""
        assert self._augmented is not None
        return self._augmented(inputs[self._query_id][:, 0])


def augmented_vectors(config: ModelConfig, rows: int) -> tf.keras.layers.Embedding | None:
    """A table `[rows, dim]` initialised with zeros; None without augmentation."""
    if config.augmentation is None:
        return None
    return tf.keras.layers.Embedding(rows, config.width, embeddings_initializer="zeros", name="augmented")


def _history_encoder(config: ModelConfig, length: int, *, ordered: bool) -> HistoryPooling | SequenceEncoder:
    encoder = config.history_encoder
    if isinstance(encoder, GRU | SelfAttention) and not ordered:
        raise ValueError(f"history_encoder '{encoder.type}' needs ordered events; this dataset has none")
    if isinstance(encoder, GRU):
        return GRUEncoder(encoder, dim=config.width)
    if isinstance(encoder, SelfAttention):
        return SelfAttentionEncoder(encoder, dim=config.width, length=length)
    return HistoryPooling(length, ordered=ordered, attention=encoder.type == "attention")


def build_towers(spec: EncodedSpec, config: ModelConfig, *, ordered: bool) -> tuple[QueryTower, CandidateTower]:
    """Builds both towers with their variables; equal Keras seeds give equal variables.

    Args:
        spec: the encoded columns of all sides.
        config: the model's settings.
        ordered: whether events have an order, so that recent ones get more weight.

    Raises:
        ValueError: siamese towers have inputs other than the history and the candidate id.
    """
    if config.siamese:
        _check_sides_match(spec)
    rows = spec.candidate[CANDIDATE_ID].vocabulary_size
    items = embedding(rows, config.width, "candidate_id")
    history_items = items
    if spec.features.history is not None and not config.share_item_embedding:
        history_items = embedding(rows, config.width, "history")
    query = QueryTower(spec, config, history_items, ordered=ordered)
    candidate = CandidateTower(spec, config, items, query.projection if config.siamese else None)
    query(_zeros(query_signature(spec)))
    candidate(_zeros(candidate_signature(spec)))
    return query, candidate


def query_signature(spec: EncodedSpec) -> dict[str, tf.TensorSpec]:
    """Inputs of the query tower by column: query and context columns `[rows, width]`, `history` `[rows, length]`."""
    columns = {**spec.query, **spec.context}
    signature = {name: _tensor_spec(columns[name].kind, columns[name].width, name) for name in sorted(columns)}
    if spec.features.history is not None:
        signature[HISTORY] = _tensor_spec("tokens", spec.features.history.max_length, HISTORY)
    return signature


def candidate_signature(spec: EncodedSpec) -> dict[str, tf.TensorSpec]:
    """Inputs of the candidate tower by column, each `[rows, width]`."""
    return {name: _tensor_spec(column.kind, column.width, name) for name, column in sorted(spec.candidate.items())}


def _check_sides_match(spec: EncodedSpec) -> None:
    others = sorted({*spec.query, *spec.context, *spec.candidate} - {CANDIDATE_ID})
    if others or spec.features.history is None:
        raise ValueError(
            "model.siamese needs both towers to read only the history and the candidate id; "
            + (f"leave out the features {', '.join(others)}" if others else "features.history is null")
        )


def _tensor_spec(kind: str, width: int, name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None, width], tf.int32 if kind == "tokens" else tf.float32, name)


def _zeros(signature: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    return {name: tf.zeros([1, spec.shape[1]], spec.dtype) for name, spec in signature.items()}
