from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.spec.config import ModelConfig, TowerConfig
from models.towers.export import export_towers
from models.towers.towers import Projection, build_towers
from tests.models.small_spec import random_columns, small_spec

SEED = tf.constant([3, 4])


def query_columns(spec, rows: int = 6) -> dict[str, np.ndarray]:
    columns = random_columns(spec.query, rows)
    if spec.features.history is not None:
        shape = (rows, spec.features.history.max_length)
        columns["history"] = np.random.default_rng(1).integers(0, 22, shape).astype(np.int32)
    return columns


@pytest.mark.parametrize("history", [None, 4])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_cosine_embeddings_have_length_one(history, residual, norm):
    tower = TowerConfig(layers=(8,), residual=residual, layer_norm=norm)
    config = ModelConfig(embedding_dim=5, query_tower=tower, candidate_tower=tower)
    spec = small_spec(history=history)
    query, candidate = build_towers(spec, config, ordered=True)
    for embedded in (query(query_columns(spec)), candidate(random_columns(spec.candidate, 6))):
        assert embedded.shape == (6, 5)
        np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, rtol=1e-5)


def test_dot_embeddings_keep_their_length():
    _, candidate = build_towers(small_spec(), ModelConfig(score="dot"), ordered=True)
    lengths = np.linalg.norm(candidate(random_columns(small_spec().candidate, 6)), axis=1)
    assert np.ptp(lengths) > 0.01


@pytest.mark.parametrize("share", [True, False])
def test_item_table_is_shared_if_configured(share):
    query, candidate = build_towers(small_spec(features=False), ModelConfig(share_item_embedding=share), ordered=True)
    tables = {id(v) for tower in (query, candidate) for v in tower.trainable_variables if v.shape[0] == 22}
    assert len(tables) == (1 if share else 2)


def test_siamese_towers_are_the_same_variables():
    config = ModelConfig(siamese=True, query_tower=TowerConfig(layers=(8,), cross_layers=1))
    query, candidate = build_towers(small_spec(features=False), config, ordered=False)
    assert {id(v) for v in query.trainable_variables} == {id(v) for v in candidate.trainable_variables}
    ids = tf.constant([[3], [7]])
    np.testing.assert_allclose(query({"history": tf.pad(ids, [[0, 0], [0, 3]])}), candidate({"candidate_id": ids}))


def test_siamese_towers_need_the_same_inputs():
    with pytest.raises(ValueError, match="leave out the features age, genres, user"):
        build_towers(small_spec(), ModelConfig(siamese=True), ordered=True)
    with pytest.raises(ValueError, match="candidate_tower"):
        ModelConfig(siamese=True, candidate_tower=TowerConfig(layers=(8,)))


def test_cross_layers_multiply_inputs():
    """x₀ ⊙ (W·x + b) + x is quadratic: its third differences are 0, its second differences are not."""
    projection = Projection(TowerConfig(cross_layers=1, dropout=0), 4, name="projection")
    start, direction = (tf.random.stateless_normal([1, 6], [seed, 0]) for seed in (1, 2))
    along = np.concatenate([projection([start + step * direction]) for step in range(5)])
    assert np.abs(np.diff(along, 2, axis=0)).max() > 1e-3
    np.testing.assert_allclose(np.diff(along, 3, axis=0), 0, atol=1e-4)


def test_towers_without_projection_add_a_common_vector_to_their_ids():
    bare = TowerConfig(projection=False)
    config = ModelConfig(query_tower=bare, candidate_tower=bare, score="dot")
    query, candidate = build_towers(small_spec(features=False), config, ordered=False)
    history = tf.constant([[3, 7, 0, 0], [0, 0, 0, 0]])
    for tower in (query, candidate):
        tower.projection.set_weights([np.full((1, 64), 0.5)])
    rows = candidate({"candidate_id": tf.constant([[3], [7]])}) - 0.5
    (table,) = (v for v in candidate.trainable_variables if v.shape[0] == 22)
    np.testing.assert_allclose(rows, tf.gather(table, [3, 7]), atol=1e-6)
    np.testing.assert_allclose(query({"history": history})[0], tf.reduce_mean(rows, axis=0) + 0.5, atol=1e-6)
    np.testing.assert_allclose(query({"history": history})[1], np.full(64, 0.5))
    for of_a_projection in ({"layers": (8,)}, {"dropout": 0.5}, {"residual": False}):
        with pytest.raises(ValueError, match="without projection has no layers"):
            TowerConfig(projection=False, **of_a_projection)
    with pytest.raises(ValueError, match="example_age"):
        ModelConfig(query_tower=bare, example_age=True)


def test_the_same_keras_seed_gives_the_same_weights():
    def weights() -> list[np.ndarray]:
        tf.keras.utils.set_random_seed(7)
        return [w for tower in build_towers(small_spec(), ModelConfig(), ordered=True) for w in tower.get_weights()]

    for first, second in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_dropped_ids_are_embedded_as_unknown_ones():
    config = ModelConfig(id_dropout=0.5, candidate_tower=TowerConfig(dropout=0))
    _, candidate = build_towers(small_spec(features=False), config, ordered=True)
    ids = tf.range(2, 22)[:, None]
    unknown = candidate({"candidate_id": tf.ones_like(ids)})
    inference, training = candidate({"candidate_id": ids}), candidate({"candidate_id": ids}, SEED)
    dropped = np.isclose(training, unknown).all(axis=1)
    assert 2 < dropped.sum() < 18
    np.testing.assert_allclose(training[~dropped], inference[~dropped], rtol=1e-5)


def test_every_column_matters():
    spec = small_spec()
    towers = build_towers(spec, ModelConfig(), ordered=True)
    for tower, columns in zip(towers, (query_columns(spec), random_columns(spec.candidate, 6)), strict=True):
        before = tower(columns).numpy()
        for name, values in columns.items():
            changed = columns | {name: (values + 1) % 5}
            assert not np.allclose(before, tower(changed)), name


def test_exported_towers_answer_as_the_layers_do_in_inference_mode(tmp_path: Path):
    spec = small_spec()
    query, candidate = build_towers(spec, ModelConfig(), ordered=True)
    export_towers(spec, query, candidate, tmp_path / "towers", config=ModelConfig(), ordered=True)
    loaded = tf.saved_model.load(str(tmp_path / "towers"))
    for rows in (1, 6):
        asked = {name: tf.constant(values) for name, values in query_columns(spec, rows).items()}
        np.testing.assert_allclose(loaded.embed_query(asked), query(asked), atol=1e-6)
        asked = {name: tf.constant(values) for name, values in random_columns(spec.candidate, rows).items()}
        np.testing.assert_allclose(loaded.embed_candidate(asked), candidate(asked), atol=1e-6)


def test_layers_need_positive_widths():
    with pytest.raises(ValueError, match="widths of at least 1"):
        TowerConfig(layers=(64, 0))
