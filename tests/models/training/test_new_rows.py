"""The regression that predicts the rows of new ids."""

import numpy as np
import pytest

from models.spec.config import ModelConfig, TowerConfig
from models.spec.features import EncodedColumn, EncodedSpec, FeatureSpec
from models.towers.towers import build_towers
from models.training.alignment import Alignments, aligned_by_position, aligned_by_value
from models.training.new_rows import predict_new_rows, ridge


def test_ridge_predicts_what_the_features_determine():
    random = np.random.default_rng(0)
    features, weights = random.normal(size=(200, 5)), random.normal(size=(5, 3))
    targets = features @ weights + 7 + random.normal(scale=0.1, size=(200, 3))
    found, error = ridge(features, targets)
    unseen = random.normal(size=(50, 5))
    predicted = unseen @ found[:-1] + found[-1]
    assert np.abs(predicted - (unseen @ weights + 7)).max() < 0.2
    assert error / targets.size == pytest.approx(0.01, rel=0.3), "the leave-one-out error is that of unseen rows"


def test_ridge_predicts_the_mean_where_the_features_tell_nothing():
    random = np.random.default_rng(1)
    features, targets = random.normal(size=(60, 40)), random.normal(size=(60, 3)) + 2
    found, error = ridge(features, targets)
    assert error <= 1.1 * float(np.square(targets - targets.mean(axis=0)).sum() * (60 / 59) ** 2)
    assert np.abs(found[:-1]).max() < 0.3
    np.testing.assert_allclose(found[-1], 2, atol=0.6)


IDS, TOPICS = 60, 5


def spec() -> EncodedSpec:
    features = {"candidate": {"topic": {"type": "categorical"}}, "history": {"max_length": 3}}
    sizes = {"candidate_id": IDS + 2, "topic": TOPICS + 2}
    return EncodedSpec(
        features=FeatureSpec.model_validate(features),
        query={},
        context={},
        candidate={
            name: EncodedColumn(feature=name, kind="tokens", width=1, vocabulary_size=size)
            for name, size in sizes.items()
        },
    )


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("determined", [True, False])
def test_new_candidates_start_where_candidates_of_their_topic_are(shared, determined):
    random = np.random.default_rng(3)
    bare = TowerConfig()
    config = ModelConfig(embedding_dim=4, query_tower=bare, candidate_tower=bare, share_item_embedding=shared)
    towers = build_towers(spec(), config, ordered=True)
    topic = random.integers(0, TOPICS, IDS) + 2
    centres = random.normal(size=(TOPICS + 2, 4)) if determined else np.zeros((TOPICS + 2, 4))
    rows = np.concatenate([np.zeros((2, 4)), centres[topic] + random.normal(scale=0.05, size=(IDS, 4))])
    names = [f"c{number}" for number in range(IDS)]
    alignment = aligned_by_value(names[:-5], names, oov_buckets=1)
    carried = alignment.rows(rows.astype(np.float32))
    for table in {towers[0].items.name: towers[0].items, towers[1].items.name: towers[1].items}.values():
        table.embeddings.assign(carried)
    columns = {"candidate_id": np.arange(2, IDS + 2)[:, None], "topic": topic[:, None]}
    alignments: Alignments = {
        ("candidate", "candidate_id"): alignment,
        ("candidate", "topic"): aligned_by_position(TOPICS + 2, TOPICS + 2),
    }
    found = predict_new_rows(spec(), towers, alignments, {"candidate": columns, "query": {}})
    assert found == {"candidate.candidate_id": 5 if determined else 0}
    for items in (towers[0].items, towers[1].items):
        table = items.embeddings.numpy()
        np.testing.assert_array_equal(table[:-5], carried[:-5])
        if determined:
            np.testing.assert_allclose(table[-5:], centres[topic[-5:]], atol=0.15)
        else:
            np.testing.assert_array_equal(table[-5:], carried[-5:])
