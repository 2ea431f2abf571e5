"""Typed handles of the artifacts that components exchange.

An artifact is a directory, and its class describes the content. The module of this package named like the class has
the models of its JSON files. Other files are documented where they are written. A handle checks and creates nothing, so
it can also name a future output.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Artifact:
    """A directory of related files.

    Attributes:
        path: the directory.
    """

    path: Path

    def read_json(self, name: str) -> Any:
        """Parses the JSON file `name` in this artifact."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def write_json(self, name: str, value: Any) -> None:
        """Writes `value` as the JSON file `name`, keys in the order given."""
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        (self.path / name).write_text(text + "\n", encoding="utf-8")


class Examples(Artifact):
    """Parquet shards of clean rows in `interactions/`, `queries/`, `candidates/`, of rejects in `dead_letters/`."""


class Statistics(Artifact):
    """`statistics.pb` (tensorflow-metadata) and the same numbers as `statistics.json`."""


class Schema(Artifact):
    """`schema.pbtxt` (tensorflow-metadata), one feature per column of every table."""


class Anomalies(Artifact):
    """`anomalies.json`: departures of the data from the schema, with severities."""


class TransformGraph(Artifact):
    """`saved_model/` that encodes raw features, `vocabularies/`, and `spec.json` describing the encoded columns."""


class TransformedExamples(Artifact):
    """Encoded events of every query in order, and encoded entities, as flat arrays: `dataplane.dataset.sequences`."""


class Catalogue(Artifact):
    """Encoded candidates that replace those of TransformedExamples in service; `catalogue.json` compares the two."""


class Model(Artifact):
    """`towers/` (SavedModel on encoded features), checkpoints, TensorBoard logs and `training.json`."""


class Evaluation(Artifact):
    """`metrics.json`: metrics of the model and of the baselines, slices, and the protocol; `answers.json`: examples."""


class Blessing(Artifact):
    """`blessing.json`: whether the model passed its thresholds, and each threshold's outcome."""


class ServingModel(Artifact):
    """`scann/` and `exact/`: SavedModels from raw features to top-k ids; `index.json`: the index and its recall."""


class InfraBlessing(Artifact):
    """`infra_blessing.json`: whether the serving models answer correctly in a fresh process."""


class PushedModel(Artifact):
    """`pushed.json`: where the serving models were published and under which version."""


class Recommendations(Artifact):
    """Parquet shards of `query_id`, `candidate_ids`, `scores` in `recommendations/`."""


class Embeddings(Artifact):
    """Parquet shards of ids and embeddings in `candidates/` and `queries/`."""
