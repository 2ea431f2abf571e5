"""One encoder per type of feature: raw tensors in, encoded columns out.

Raw tensors, batch first, by type of feature:

- id, single categorical, text: strings `[batch]`, "" for missing;
- multi-valued categorical: strings `[batch, any]`, "" as padding;
- numeric: float32 `[batch]`, NaN for missing;
- timestamp: int64 `[batch]`, Unix seconds UTC, -2^63 for missing;
- vector: float32 `[batch, dimension]`, a row with a NaN is missing.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from models.preprocessing.packing import packed
from models.preprocessing.text import letter_trigrams, tokenize
from models.preprocessing.vocabulary import Vocabulary
from models.spec.features import (
    MISSING_TIMESTAMP,
    CategoricalFeature,
    EncodedColumn,
    Feature,
    IdFeature,
    NumericFeature,
    TextFeature,
    TimestampFeature,
    VectorFeature,
    encoded_names,
)

FIRST_YEAR, LAST_YEAR = 1970, 2099
LARGEST = 1e6
"""Encoded numbers are clipped to ± this. Without it an absurd number in a request could give an embedding that is not
finite, and ScaNN would fail the whole batch."""
_PART_SIZES = {"hour": 24, "weekday": 7, "month": 12, "year": LAST_YEAR - FIRST_YEAR + 1}


@dataclass(frozen=True)
class FeatureStatistics:
    """Statistics that Transform computed for one feature; the feature's type decides which fields are used.

    Attributes:
        vocabulary: of id, categorical and text features; distinct strings, most important first.
        mean: of zscore and log features; for log, of the logarithms.
        std: standard deviation, as `mean`; 0 encodes every number as 0.
        boundaries: of quantile and piecewise features, ascending; bucket `i` starts at `boundaries[i - 1]`.
    """

    vocabulary: Sequence[str] | np.ndarray = ()
    mean: float = 0.0
    std: float = 0.0
    boundaries: tuple[float, ...] = ()


class FeatureEncoder(tf.Module):
    """Encodes one feature.

    Attributes:
        raw: shape and type of the raw tensor.
        columns: the encoded columns by name, in the order of the outputs.
    """

    raw: tf.TensorSpec
    columns: dict[str, EncodedColumn]

    @abstractmethod
    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """One `[batch, width]` tensor for each of `columns`."""


def feature_encoder(name: str, feature: Feature, statistics: FeatureStatistics, file: Path) -> FeatureEncoder:
    """Builds the encoder of a feature.

    Args:
        name: the feature's name.
        feature: its configuration.
        statistics: what Transform computed for it.
        file: path for the vocabulary's asset, if there is one.
    """
    if isinstance(feature, IdFeature | CategoricalFeature):
        return _Categories(name, feature, statistics, file)
    if isinstance(feature, TextFeature):
        return _Text(name, feature, statistics, file)
    if isinstance(feature, NumericFeature):
        kind = {"quantile": _Quantile, "piecewise": _Piecewise}.get(feature.transform, _Number)
        return kind(name, feature, statistics)
    if isinstance(feature, TimestampFeature):
        return _TimestampParts(name, feature)
    return _Vector(name, feature)


def pack(tokens: tf.Tensor, width: int) -> tf.Tensor:
    """Moves the non-zero tokens of each row to its front, then cuts or pads the row with 0 to `width`.

    For example, [[0, 5, 6], [7, 0, 0], [0, 0, 0]] with width 2 gives [[5, 6], [7, 0], [0, 0]].

    Args:
        tokens: `[batch, any]`.
        width: the width of the result.
    """
    kept = packed(tokens, tf.where(tokens > 0), rows=tf.shape(tokens, tf.int64)[0], width=width, padding=0)
    return tf.ensure_shape(kept, [None, width])


class _Categories(FeatureEncoder):
    def __init__(
        self, name: str, feature: IdFeature | CategoricalFeature, statistics: FeatureStatistics, file: Path
    ) -> None:
        super().__init__()
        self._width = feature.max_values if isinstance(feature, CategoricalFeature) else 1
        self._vocabulary = Vocabulary(statistics.vocabulary, oov_buckets=feature.oov_buckets, file=file)
        self.raw = tf.TensorSpec([None] if self._width == 1 else [None, None], tf.string, name)
        self.columns = {name: _tokens(name, feature, self._width, self._vocabulary.size)}

    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tokens = self._vocabulary(raw)
        return (tokens[:, None] if self._width == 1 else pack(tokens, self._width),)


class _Text(FeatureEncoder):
    def __init__(self, name: str, feature: TextFeature, statistics: FeatureStatistics, file: Path) -> None:
        super().__init__()
        self._feature = feature
        self._vocabulary = Vocabulary(statistics.vocabulary, oov_buckets=1, file=file)
        self.raw = tf.TensorSpec([None], tf.string, name)
        tokens = _tokens(name, feature, feature.max_tokens, self._vocabulary.size)
        trigrams = _tokens(name, feature, feature.max_trigrams, 1 + feature.trigram_buckets)
        self.columns = dict(zip(encoded_names(name, feature), (tokens, trigrams), strict=False))

    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        words = tokenize(raw)
        tokens = words.with_values(self._vocabulary(words.values)).to_tensor(0, shape=[None, self._feature.max_tokens])
        if not self._feature.trigram_buckets:
            return (tokens,)
        trigrams = letter_trigrams(words)
        hashed = 1 + tf.cast(tf.strings.to_hash_bucket_fast(trigrams.values, self._feature.trigram_buckets), tf.int32)
        return tokens, trigrams.with_values(hashed).to_tensor(0, shape=[None, self._feature.max_trigrams])


class _Number(FeatureEncoder):
    def __init__(self, name: str, feature: NumericFeature, statistics: FeatureStatistics) -> None:
        super().__init__()
        self._logarithm = feature.transform == "log"
        self._mean = statistics.mean
        self._scale = 1 / statistics.std if statistics.std > 0 else 0.0
        self.raw = tf.TensorSpec([None], tf.float32, name)
        self.columns = {name: EncodedColumn(feature=name, kind="dense", width=1)}

    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        known = tf.math.is_finite(raw)
        number = tf.where(known, raw, 0.0)
        if self._logarithm:
            number = tf.sign(number) * tf.math.log1p(tf.abs(number))
        scaled = (number - self._mean) * self._scale
        return (_bounded(tf.where(known, scaled, 0.0))[:, None],)


class _Quantile(FeatureEncoder):
    def __init__(self, name: str, feature: NumericFeature, statistics: FeatureStatistics) -> None:
        super().__init__()
        self._boundaries = np.array(statistics.boundaries, np.float32)
        self.raw = tf.TensorSpec([None], tf.float32, name)
        self.columns = {name: _tokens(name, feature, 1, 2 + len(self._boundaries))}

    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        bucket = 1 + tf.searchsorted(tf.constant(self._boundaries), raw, side="right")
        return (tf.where(tf.math.is_finite(raw), bucket, 0)[:, None],)


class _Piecewise(FeatureEncoder):
    """1 for a known number, then its position within each bucket: 0 below it, 1 above it, linear inside.

    For example, the boundaries [0, 10, 20] encode 15, −1 and NaN as [1, 1, 0.5], [1, 0, 0] and [0, 0, 0].
    """

    def __init__(self, name: str, feature: NumericFeature, statistics: FeatureStatistics) -> None:
        super().__init__()
        self._starts = np.array(statistics.boundaries[:-1], np.float32)
        self._sizes = np.diff(np.array(statistics.boundaries, np.float32))
        self.raw = tf.TensorSpec([None], tf.float32, name)
        self.columns = {name: EncodedColumn(feature=name, kind="dense", width=1 + len(self._starts))}

    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        known = tf.math.is_finite(raw)[:, None]
        through = tf.clip_by_value((raw[:, None] - self._starts) / self._sizes, 0.0, 1.0)
        encoded = tf.concat([tf.ones_like(raw)[:, None], through], axis=1)
        return (tf.where(known, encoded, 0.0),)


class _TimestampParts(FeatureEncoder):
    def __init__(self, name: str, feature: TimestampFeature) -> None:
        super().__init__()
        self._parts = feature.parts
        self.raw = tf.TensorSpec([None], tf.int64, name)
        columns = (_tokens(name, feature, 1, 1 + _PART_SIZES[part]) for part in feature.parts)
        self.columns = dict(zip(encoded_names(name, feature), columns, strict=True))

    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parts = _calendar(raw)
        known = raw != MISSING_TIMESTAMP
        return tuple(tf.cast(tf.where(known, parts[part], 0), tf.int32)[:, None] for part in self._parts)


class _Vector(FeatureEncoder):
    def __init__(self, name: str, feature: VectorFeature) -> None:
        super().__init__()
        self.raw = tf.TensorSpec([None, feature.dimension], tf.float32, name)
        self.columns = {name: EncodedColumn(feature=name, kind="dense", width=feature.dimension)}

    def __call__(self, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
        known = tf.reduce_all(tf.math.is_finite(raw), axis=1, keepdims=True)
        return (_bounded(tf.where(known, raw, 0.0)),)


def _bounded(numbers: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(numbers, -LARGEST, LARGEST)


def _tokens(
    name: str,
    feature: IdFeature | CategoricalFeature | TextFeature | NumericFeature | TimestampFeature,
    width: int,
    vocabulary_size: int,
) -> EncodedColumn:
    return EncodedColumn(
        feature=name,
        kind="tokens",
        width=width,
        vocabulary_size=vocabulary_size,
        embedding_dim=feature.embedding_dim,
    )


def _calendar(seconds: tf.Tensor) -> dict[str, tf.Tensor]:
    """Calendar parts of Unix seconds, each counted from 1. Days become dates as in Hinnant's `civil_from_days`."""
    days = seconds // 86_400
    shifted = days + 719_468  # days since 0000-03-01, because years that start in March end with the leap day
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    month = tf.where(month_from_march < 10, month_from_march + 3, month_from_march - 9)
    year = year_of_era + era * 400 + tf.cast(month <= 2, tf.int64)
    return {
        "hour": seconds % 86_400 // 3_600 + 1,
        "weekday": (days + 3) % 7 + 1,  # 1970-01-01 was a Thursday
        "month": month,
        "year": tf.clip_by_value(year, FIRST_YEAR, LAST_YEAR) - FIRST_YEAR + 1,
    }
