"""Statistics of features as files. Workers write one file per feature, and the encoder is built from all of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from components.transform.analysis import RowSample, ValueCounts
from components.transform.vocabularies import read_vocabulary, select_vocabulary, vocabulary_path, write_vocabulary
from dataplane.columns.columnar import Mergeable
from dataplane.columns.exact_moments import ExactMoments
from models.spec.durable import write_atomically
from models.spec.features import CategoricalFeature, Feature, FeatureSpec, IdFeature, NumericFeature, Side, TextFeature

if TYPE_CHECKING:
    from models.preprocessing.feature_preprocessing import FeatureStatistics


@dataclass(frozen=True)
class StatisticsFiles:
    """Statistics of all features, on their way from the data into the encoder.

    Attributes:
        features: the features to encode.
        graph: directory of the TransformGraph, which keeps the vocabularies.
        scratch: directory for means, deviations and boundaries, which only the encoder keeps.
    """

    features: FeatureSpec
    graph: Path
    scratch: Path

    def write(self, side: Side, name: str, state: Mergeable) -> None:
        """Writes the statistics of a feature from the merged state of all batches."""
        feature = self.features.of(side)[name]
        if isinstance(state, ValueCounts):
            assert isinstance(feature, IdFeature | CategoricalFeature | TextFeature)
            self.write_vocabulary(side, name, state.table)
        elif isinstance(state, RowSample):
            assert isinstance(feature, NumericFeature)
            self._write_numbers(side, name, {"boundaries": state.boundaries(feature.buckets)})
        elif isinstance(state, ExactMoments) and state.count:
            self._write_numbers(side, name, {"mean": state.mean, "std": state.std})

    def write_vocabulary(self, side: Side, name: str, counts: pa.Table) -> None:
        """Writes the vocabulary of a feature whose values were counted."""
        feature = self.features.of(side)[name]
        assert isinstance(feature, IdFeature | CategoricalFeature | TextFeature)
        write_vocabulary(vocabulary_path(self.graph, side, name), select_vocabulary(feature, counts))

    def read(self) -> "dict[Side, dict[str, FeatureStatistics]]":
        """Reads all statistics. A feature without any value has an empty vocabulary."""
        sides: tuple[Side, ...] = ("query", "context", "candidate")
        return {
            side: {name: self._statistics(side, name, feature) for name, feature in self.features.of(side).items()}
            for side in sides
        }

    def _statistics(self, side: Side, name: str, feature: Feature) -> "FeatureStatistics":
        from models.preprocessing.feature_preprocessing import FeatureStatistics

        if isinstance(feature, IdFeature | CategoricalFeature | TextFeature):
            vocabulary = vocabulary_path(self.graph, side, name)
            if not vocabulary.exists():
                self.write_vocabulary(side, name, ValueCounts.of(pa.array([], pa.large_string())).table)
            return FeatureStatistics(vocabulary=read_vocabulary(vocabulary))
        numbers = self._numbers(side, name)
        if not numbers.exists():
            return FeatureStatistics()
        values = json.loads(numbers.read_text(encoding="utf-8"))
        return FeatureStatistics(
            mean=values.get("mean", 0.0), std=values.get("std", 0.0), boundaries=tuple(values.get("boundaries", ()))
        )

    def _numbers(self, side: Side, name: str) -> Path:
        return self.scratch / f"{side}.{name}.json"

    def _write_numbers(self, side: Side, name: str, values: dict[str, float] | dict[str, tuple[float, ...]]) -> None:
        write_atomically(self._numbers(side, name), json.dumps(values))
