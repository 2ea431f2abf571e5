import numpy as np
import pytest
import tensorflow as tf

from models.spec.config import ModelConfig, TowerConfig
from models.spec.history_config import GRU, SelfAttention
from models.towers.encoders import embedding
from models.towers.sequence_encoders import GRUEncoder, SelfAttentionEncoder, SequenceEncoder
from models.towers.towers import build_towers
from tests.models.small_spec import small_spec

DIM, LENGTH = 8, 6
SEED = tf.constant([1, 2])
KINDS = ["gru", "self_attention", "self_attention, recency_bias"]


def encoder(kind: str) -> tuple[SequenceEncoder, tf.keras.layers.Embedding]:
    tf.keras.utils.set_random_seed(3)
    table = embedding(30, DIM, "table")
    if kind == "gru":
        return GRUEncoder(GRU(type="gru", dropout=0.5), dim=DIM), table
    biased = kind == "self_attention, recency_bias"
    config = SelfAttention(type="self_attention", heads=2, expansion=2, dropout=0.5, recency_bias=biased)
    return SelfAttentionEncoder(config, dim=DIM, length=LENGTH), table


def newest_first(*events: int) -> list[int]:
    return [*reversed(events), *[0] * (LENGTH - len(events))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_state_equals_the_served_state_after_the_same_events(kind):
    layer, table = encoder(kind)
    histories = [(3, 5, 7, 9, 11, 13), (4, 6), ()]
    windows = tf.constant([newest_first(*history) for history in histories])
    for row, history in enumerate(histories):
        for events in range(len(history) + 1):
            served = layer(tf.constant([newest_first(*history[:events])]), table)
            trained = layer(windows, table, None, tf.constant([row * (LENGTH + 1) + events]))
            np.testing.assert_allclose(trained, served, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_order_matters_and_padding_does_not(kind):
    layer, table = encoder(kind)
    forwards, backwards = (layer(tf.constant([newest_first(*ids)]), table) for ids in ((3, 5, 7), (5, 3, 7)))
    assert np.abs(forwards - backwards).max() > 1e-3
    np.testing.assert_allclose(layer(tf.constant([[7, 5, 3]]), table), forwards, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_all_weights_learn_and_dropout_repeats_for_a_seed(kind):
    layer, table = encoder(kind)
    tokens = tf.constant([newest_first(3, 5, 7, 9), newest_first()])
    np.testing.assert_array_equal(layer(tokens, table, SEED), layer(tokens, table, SEED))
    assert not np.allclose(layer(tokens, table, SEED), layer(tokens, table, SEED + 1))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tokens, table, SEED, tf.range(2 * (LENGTH + 1))) ** 3)
    for variable, gradient in zip(
        layer.trainable_variables, tape.gradient(loss, layer.trainable_variables), strict=True
    ):
        assert np.abs(tf.convert_to_tensor(gradient)).sum() > 0, variable.name


def test_recency_bias_has_one_value_per_head_and_age():
    layer, table = encoder("self_attention, recency_bias")
    for bias in (variable for variable in layer.trainable_variables if variable.shape == (2, LENGTH + 1)):
        assert np.all(np.diff(bias.numpy()) < 0)  # at the start, the older the less
        bias.assign(tf.where(tf.range(LENGTH + 1) == 2, 0.0, tf.fill(bias.shape, -1e9)))  # only what came two before
    states = [layer(tf.constant([newest_first(*events)]), table) for events in ((3, 5, 7), (4, 5, 7), (3, 6, 7))]
    same, other = (np.abs(states[0] - state).max() for state in (states[2], states[1]))
    assert other > 1e-3 > 1e-6 > same


def test_heads_divide_the_embedding():
    with pytest.raises(ValueError, match="is not divisible by 3 heads"):
        ModelConfig(embedding_dim=8, history_encoder=SelfAttention(type="self_attention", heads=3))


def test_events_without_order_are_refused():
    with pytest.raises(ValueError, match="needs ordered events"):
        build_towers(small_spec(), ModelConfig(history_encoder=GRU(type="gru")), ordered=False)


def test_example_age_is_used_in_training_and_0_in_serving():
    query, _ = build_towers(small_spec(), ModelConfig(example_age=True), ordered=True)
    asked = {"user": tf.constant([[3]]), "age": tf.constant([[0.5]]), "history": tf.constant([[4, 0, 0, 0]])}
    served = query(asked)
    np.testing.assert_allclose(query(asked | {"example_age": tf.constant([[0.0]])}), served)
    assert not np.allclose(query(asked | {"example_age": tf.constant([[9.0]])}), served)


def test_popularity_bias_is_added_to_the_score_of_plain_dot_products():
    config = ModelConfig(embedding_dim=5, popularity_bias=True, candidate_tower=TowerConfig(dropout=0))
    query, candidate = build_towers(small_spec(features=False), config, ordered=True)
    asked, ids = {"history": tf.constant([[4, 0, 0, 0]])}, {"candidate_id": tf.constant([[3], [7]])}
    before = tf.matmul(query(asked), candidate(ids), transpose_b=True).numpy()
    (bias,) = (variable for variable in candidate.trainable_variables if variable.shape == (22, 1))
    bias.assign(tf.range(22, dtype=tf.float32)[:, None])
    after = tf.matmul(query(asked), candidate(ids), transpose_b=True).numpy()
    assert candidate(ids).shape == (2, 6)
    np.testing.assert_allclose(after - before, [[3, 7]], atol=1e-5)
