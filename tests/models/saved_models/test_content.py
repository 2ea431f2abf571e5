from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from models.preprocessing.feature_preprocessing import FeatureStatistics
from models.preprocessing.preprocessing import Preprocessing
from models.saved_models.configuration import CONFIGURATION, has_configuration
from models.saved_models.content import content_digest
from models.spec.config import ModelConfig, TowerConfig
from models.spec.features import FeatureSpec
from models.towers.export import export_towers
from models.towers.towers import build_towers
from tests.models.small_spec import small_spec

FEATURES: dict[str, Any] = {
    "query": {"city": {"type": "categorical"}, "age": {"type": "numeric"}, "spent": {"type": "numeric"}},
    "history": {"max_length": 3},
}
LEARNT = {
    "city": FeatureStatistics(vocabulary=["nl", "de"]),
    "age": FeatureStatistics(mean=30, std=10),
    "spent": FeatureStatistics(mean=5, std=2),
}


def preprocessing(path: Path, learnt: dict[str, FeatureStatistics], features: dict[str, Any] = FEATURES) -> str:
    ids = {"candidate_id": FeatureStatistics(vocabulary=["a", "b", "c"])}
    built = Preprocessing(
        FeatureSpec.model_validate(features), {"query": learnt, "candidate": ids}, assets=path / "assets"
    )
    built.save(path / "saved_model")
    return content_digest(path / "saved_model")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> str:
    return preprocessing(tmp_path_factory.mktemp("known"), LEARNT)


def test_the_same_preprocessing_has_the_same_digest(known: str, tmp_path: Path) -> None:
    assert preprocessing(tmp_path / "again", LEARNT) == known
    written_out = FeatureSpec.model_validate(FEATURES).model_dump(mode="json")
    assert preprocessing(tmp_path / "defaults", LEARNT, written_out) == known


@pytest.mark.parametrize(
    "learnt",
    [
        {"city": FeatureStatistics(vocabulary=["de", "nl"])},
        {"city": FeatureStatistics(vocabulary=["nl", "de", "fr"])},
        {"age": FeatureStatistics(mean=30, std=11)},
        {"age": FeatureStatistics(mean=5, std=2), "spent": FeatureStatistics(mean=30, std=10)},
    ],
    ids=["order", "vocabulary", "scale", "exchanged"],
)
def test_other_statistics_have_another_digest(known: str, tmp_path: Path, learnt: dict[str, FeatureStatistics]) -> None:
    assert preprocessing(tmp_path, LEARNT | learnt) != known


def test_other_features_have_another_digest(known: str, tmp_path: Path) -> None:
    logarithm = FEATURES["query"] | {"age": {"type": "numeric", "transform": "log"}}
    assert preprocessing(tmp_path / "log", LEARNT, FEATURES | {"query": logarithm}) != known
    assert preprocessing(tmp_path / "longer", LEARNT, FEATURES | {"history": {"max_length": 4}}) != known


def towers(path: Path, seed: int, **config: Any) -> str:
    tf.keras.utils.set_random_seed(seed)
    settings = ModelConfig(embedding_dim=8, **config)
    query, candidate = build_towers(small_spec(), settings, ordered=True)
    export_towers(small_spec(), query, candidate, path, config=settings, ordered=True)
    assert has_configuration(path)
    return content_digest(path)


def test_towers_differ_by_weights_and_by_configuration(tmp_path: Path) -> None:
    """No weight shows the activation or the scaling of the embeddings."""
    found = [
        towers(tmp_path / "first", 1),
        towers(tmp_path / "seed", 2),
        towers(tmp_path / "dot", 1, score="dot"),
        towers(tmp_path / "tanh", 1, query_tower=TowerConfig(layers=(128,), activation="tanh")),
    ]
    assert len(set(found)) == len(found)
    assert towers(tmp_path / "again", 1, temperature=0.5) == found[0], "a temperature is training's alone"


def test_variables_of_strings_count_by_their_content(tmp_path: Path) -> None:
    def digest(name: str, *words: str) -> str:
        module = tf.Module()
        module.words = tf.Variable(list(words))
        tf.saved_model.save(module, tmp_path / name)
        configuration = tmp_path / name / CONFIGURATION
        configuration.parent.mkdir(exist_ok=True)
        configuration.write_text("{}")
        return content_digest(tmp_path / name)

    assert digest("one", "a", "b") == digest("same", "a", "b") != digest("other", "a", "c")
