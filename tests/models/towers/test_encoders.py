import numpy as np
import pytest
import tensorflow as tf

from models.spec.features import EncodedColumn
from models.towers.encoders import (
    ColumnEncoder,
    ColumnsEncoder,
    HistoryPooling,
    chosen,
    dropout,
    embedding,
    mean_of_tokens,
)
from tests.models.small_spec import tokens

SEED = tf.constant([1, 2])


def identity_table(rows: int) -> tf.keras.layers.Embedding:
    table = embedding(rows, rows, "table")
    table.set_weights([np.eye(rows)])
    return table


def test_lists_of_tokens_are_averaged_without_their_padding():
    pooled = mean_of_tokens(identity_table(4), tf.constant([[1, 2, 0], [3, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(pooled, np.array([[0, 0.5, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 0]]))


def test_a_missing_single_token_adds_nothing_until_trained():
    encoder = ColumnEncoder(tokens("colour", 5), widest=8, name="colour")
    with tf.GradientTape() as tape:
        missing, other = tf.unstack(encoder(tf.constant([[0], [3]])))
        loss = tf.reduce_sum(missing)
    np.testing.assert_array_equal(missing, 0)
    assert np.abs(other).sum() > 0
    gradient = tf.convert_to_tensor(tape.gradient(loss, encoder.trainable_variables)[0])
    np.testing.assert_array_equal(gradient[0], 1)


def test_embedding_width_is_the_configured_one_or_follows_the_vocabulary():
    def width(column: EncodedColumn) -> int:
        return ColumnEncoder(column, widest=16, name="x")(tf.constant([[1]])).shape[1]

    assert width(tokens("x", 5).model_copy(update={"embedding_dim": 40})) == 40
    assert width(tokens("x", 100_000)) == 16
    assert width(tokens("x", 4)) < 16


def test_dense_columns_are_unchanged():
    encoder = ColumnsEncoder({"b": EncodedColumn(feature="b", kind="dense", width=2)}, widest=8, name="features")
    np.testing.assert_array_equal(encoder({"b": tf.constant([[1.0, 2.0]])})[0], [[1, 2]])


def test_ordered_history_weighs_recent_events_more():
    pooled = HistoryPooling(3, ordered=True)(tf.constant([[1, 2, 0], [2, 0, 0], [0, 0, 0]]), identity_table(3))
    expected = np.array([[0, 1, 0.9], [0, 0, 1.9], [0, 0, 0]]) / 1.9
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_recency_weights_are_trained():
    pooling, table = HistoryPooling(3, ordered=True), identity_table(3)
    with tf.GradientTape() as tape:
        loss = pooling(tf.constant([[1, 2, 2]]), table)[0, 1]
    (gradient,) = tape.gradient(loss, pooling.trainable_variables)
    assert gradient.shape == (3,)
    assert gradient[0] > 0 > gradient[2]


def test_unordered_history_has_nothing_to_learn():
    pooling = HistoryPooling(2, ordered=False)
    np.testing.assert_allclose(pooling(tf.constant([[1, 2]]), identity_table(3)), [[0, 0.5, 0.5]])
    assert not pooling.trainable_variables


@pytest.mark.parametrize("ordered", [True, False])
def test_attention_learns_which_events_matter_at_any_position(ordered):
    pooling, table = HistoryPooling(3, ordered=ordered, attention=True), identity_table(4)
    plain = HistoryPooling(3, ordered=ordered)
    histories = tf.constant([[1, 2, 0], [2, 3, 1], [3, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(pooling(histories, table), plain(histories, table), atol=1e-6)
    optimizer = tf.keras.optimizers.SGD(5.0)
    for _ in range(50):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_sum(pooling(histories, table)[:2, 2])  # what is wanted is event 2
        optimizer.minimize(loss, pooling.trainable_variables, tape)
    pooled = pooling(tf.constant([[1, 3, 2], [2, 1, 0], [3, 1, 0], [0, 0, 0]]), table).numpy()
    assert (pooled[:2, 2] > 0.9).all()
    np.testing.assert_allclose(pooled.sum(axis=1), [1, 1, 1, 0], atol=1e-6)


def test_dropout_repeats_for_a_seed_and_keeps_the_mean():
    ones = tf.ones([100, 100])
    once = dropout(ones, 0.3, SEED, 0)
    np.testing.assert_array_equal(once, dropout(ones, 0.3, SEED, 0))
    assert not np.array_equal(once, dropout(ones, 0.3, SEED, 1))
    assert not np.array_equal(once, dropout(ones, 0.3, SEED + 1, 0))
    assert abs(float(tf.reduce_mean(once)) - 1) < 0.03
    assert dropout(ones, 0.3, None, 0) is ones


def test_chosen_has_the_given_rate():
    values = tf.zeros([10_000], tf.int32)
    assert abs(np.mean(chosen(values, 0.2, SEED, 0)) - 0.2) < 0.02
    assert not np.any(chosen(values, 0.2, None, 0))
