"""Preprocessing of raw features to encoded columns, as one TensorFlow module.

Transform builds the module from statistics of the data, saves it once and applies the saved copy in batches. The
serving model embeds the same copy, so training and serving cannot differ.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tensorflow as tf

from models.preprocessing.feature_preprocessing import FeatureEncoder, FeatureStatistics, feature_encoder, pack
from models.saved_models.configuration import write_configuration
from models.spec.features import CANDIDATE_ID, EncodedColumn, EncodedSpec, FeatureSpec, Side

SIDES: tuple[Side, ...] = get_args(Side)


class Preprocessing(tf.Module):
    """Encodes raw features of either tower; see `models.preprocessing.feature_preprocessing` for the raw tensors.

    After saving and loading, the module has these functions:

    - `encode_query`, `encode_context`, `encode_candidate`: dict of raw tensors by feature name → dict of encoded
      columns, each `[batch, width]`. All features of the side are required.
    - `encode_history` (if the specification has a history): candidate ids, strings `[batch, any]`, oldest first, padded
      anywhere with "" → tokens `[batch, max_length]`, most recent first, padded with 0 at the end.
    - `candidate_tokens` (if the specification has a history): candidate ids, strings `[any]` → tokens. Applying
      `packed_history` to them equals `encode_history`.

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
            features: the features and how each is encoded.
            statistics: by side and feature name; required for features that learn from data.
            assets: directory of the vocabulary files; must exist until the module is saved.
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
        # tf.Module would track a dict attribute as part of the model, so a partial holds it.
        self._write_configuration = partial(write_configuration, configuration=configuration)
        for side in SIDES:
            setattr(self, f"encode_{side}", self._function(side))
        if features.history is not None:
            ids = tf.TensorSpec([None, None], tf.string)
            self.encode_history = tf.function(self._history, input_signature=[ids], autograph=False)
            flat = tf.TensorSpec([None], tf.string)
            self.candidate_tokens = tf.function(self._candidate_tokens, input_signature=[flat], autograph=False)

    def save(self, path: Path) -> None:
        """Writes a SavedModel without signatures; callers use its functions or embed them in a model of their own."""
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
    """The numeric statistics by side and feature name; vocabularies are assets."""
    return {
        side: {
            name: {"mean": feature.mean, "std": feature.std, "boundaries": list(feature.boundaries)}
            for name, feature in of_side.items()
        }
        for side, of_side in statistics.items()
    }


def packed_history(tokens: tf.Tensor, max_length: int) -> tf.Tensor:
    """Turns history tokens, int32 `[batch, any]`, oldest first, into the query tower's input; see `encode_history`."""
    return pack(tf.reverse(tokens, axis=[1]), max_length)


def load_preprocessing(path: Path) -> tf.Module:
    """Loads the module saved at `path`; `Preprocessing` lists its functions."""
    return tf.saved_model.load(str(path))


def encode(module: tf.Module, side: Side, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Applies a loaded module to NumPy arrays: encoded columns by name, each `[batch, width]`.

    Args:
        module: from `load_preprocessing`.
        side: selects the function `encode_{side}`.
        raw: raw tensors by feature name; strings as object arrays.
    """
    tensors = {name: tf.constant(values, tf.string if values.dtype == object else None) for name, values in raw.items()}
    encoded = getattr(module, f"encode_{side}")(tensors)
    return {name: values.numpy() for name, values in encoded.items()}
