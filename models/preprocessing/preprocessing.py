"""The only preprocessing there is: raw features to encoded columns, as one TensorFlow module.

Transform builds it from what it learnt about the data, saves it once and applies the saved copy in batches; the
serving models embed the same copy.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tensorflow as tf

from models.preprocessing.feature_preprocessing import FeatureEncoder, FeatureStatistics, feature_encoder, pack
from models.saved_models.content import write_configuration
from models.spec.features import CANDIDATE_ID, EncodedColumn, EncodedSpec, FeatureSpec, Side

SIDES: tuple[Side, ...] = get_args(Side)


class Preprocessing(tf.Module):
    """Encodes raw features of either tower; see `models.preprocessing.feature_preprocessing` for the raw tensors.

    Once saved and loaded again it offers

    - `encode_query`, `encode_context`, `encode_candidate`: dict of raw tensors by feature name to dict of encoded
      columns, each `[batch, width]`. All features of the side must be given.
    - `encode_history` (where the specification has a history): candidate ids, strings `[batch, any]`, oldest first, ""
      anywhere as padding, to tokens `[batch, max_length]`, most recent first, padded with 0 at the end.
    - `candidate_tokens` (likewise): candidate ids, strings `[any]`, to tokens. `packed_history` of these gives what
      `encode_history` does.

    Attributes:
        spec: the encoded columns.
    """

    def __init__(
        self,
        features: FeatureSpec,
        statistics: Mapping[Side, Mapping[str, FeatureStatistics]],
        *,
        assets: Path,
    ) -> None:
        """Builds the lookup tables.

        Args:
            features: what is encoded, and how.
            statistics: by side and feature name; needed for features that learn from data.
            assets: directory for vocabulary files, needed until the module is saved.
        """
        super().__init__()
        self._encoders: dict[str, dict[str, FeatureEncoder]] = {
            side: {
                name: feature_encoder(
                    name,
                    feature,
                    statistics.get(side, {}).get(name, FeatureStatistics()),
                    assets / f"{side}.{name}.vocabulary",
                )
                for name, feature in features.of(side).items()
            }
            for side in SIDES
        }
        self.spec = EncodedSpec(
            features=features,
            query=self._columns("query"),
            context=self._columns("context"),
            candidate=self._columns("candidate"),
        )
        columns = self.spec.model_dump(mode="json", exclude_defaults=True)
        configuration = {"columns": columns, "statistics": _numbers(statistics)}
        # A module takes a dict among its attributes for a part of the model.
        self._write_configuration = partial(write_configuration, configuration=configuration)
        for side in SIDES:
            setattr(self, f"encode_{side}", self._function(side))
        if features.history is not None:
            ids = tf.TensorSpec([None, None], tf.string)
            self.encode_history = tf.function(self._history, input_signature=[ids], autograph=False)
            flat = tf.TensorSpec([None], tf.string)
            self.candidate_tokens = tf.function(self._candidate_tokens, input_signature=[flat], autograph=False)

    def save(self, path: Path) -> None:
        """Writes a SavedModel without signatures: its users call the functions, or embed them in their own."""
        tf.saved_model.save(self, str(path))
        self._write_configuration(path)

    def _columns(self, side: Side) -> dict[str, EncodedColumn]:
        return {name: column for encoder in self._encoders[side].values() for name, column in encoder.columns.items()}

    def _function(self, side: Side) -> tf.types.experimental.PolymorphicFunction:
        function = tf.function(partial(self._encode, side), autograph=False)
        # Traced here, because an input signature cannot describe the empty dict of a side without features.
        function.get_concrete_function({name: encoder.raw for name, encoder in self._encoders[side].items()})
        return function

    def _encode(self, side: Side, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        encoded: dict[str, tf.Tensor] = {}
        for name, encoder in self._encoders[side].items():
            encoded.update(zip(encoder.columns, encoder(features[name]), strict=True))
        return encoded

    def _history(self, ids: tf.Tensor) -> tf.Tensor:
        assert self.spec.features.history is not None
        tokens = tf.reshape(self._candidate_tokens(tf.reshape(ids, [-1])), tf.shape(ids))
        return packed_history(tokens, self.spec.features.history.max_length)

    def _candidate_tokens(self, ids: tf.Tensor) -> tf.Tensor:
        return self._encoders["candidate"][CANDIDATE_ID](ids)[0][:, 0]


def _numbers(statistics: Mapping[Side, Mapping[str, FeatureStatistics]]) -> dict[str, dict[str, Any]]:
    """What was learnt about features by side and name; vocabularies are assets."""
    return {
        side: {
            name: {"mean": learnt.mean, "std": learnt.std, "boundaries": list(learnt.boundaries)}
            for name, learnt in of_side.items()
        }
        for side, of_side in statistics.items()
    }


def packed_history(tokens: tf.Tensor, max_length: int) -> tf.Tensor:
    """Tokens of a history, int32 `[batch, any]`, oldest first, as the query tower reads them: see `encode_history`."""
    return pack(tf.reverse(tokens, axis=[1]), max_length)


def load_preprocessing(path: Path) -> tf.Module:
    """The module saved at `path`, with the functions listed at `Preprocessing`."""
    return tf.saved_model.load(str(path))


def encode(module: tf.Module, side: Side, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Applies a loaded module to NumPy arrays: encoded columns by name, each `[batch, width]`.

    Args:
        module: from `load_preprocessing`.
        side: which of its functions.
        raw: raw tensors by feature name; strings as object arrays.
    """
    tensors = {name: tf.constant(values, tf.string if values.dtype == object else None) for name, values in raw.items()}
    encoded = getattr(module, f"encode_{side}")(tensors)
    return {name: values.numpy() for name, values in encoded.items()}
