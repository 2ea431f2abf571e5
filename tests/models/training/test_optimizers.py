import numpy as np
import pytest
import tensorflow as tf

from models.spec.config import TrainingConfig
from models.training.optimizers import MOMENTS, build_optimizer


def optimizer(name: str, **settings) -> tf.keras.optimizers.Optimizer:
    return build_optimizer(TrainingConfig(optimizer=name, learning_rate=0.1, **settings), steps=4)


def steps(name: str, gradients: list, **settings) -> np.ndarray:
    """Applies the gradients to a variable of ones and returns it."""
    chosen, variable = optimizer(name, **settings), tf.Variable(tf.ones([4, 2]))
    for gradient in gradients:
        chosen.apply_gradients([(gradient, variable)])
    return variable.numpy()


def rows(*indices: int, scale: float = 1.0) -> tf.IndexedSlices:
    values = tf.constant([[scale * (i + 1), -scale] for i in range(len(indices))], tf.float32)
    return tf.IndexedSlices(values, tf.constant(indices), dense_shape=tf.constant([4, 2]))


def test_lazy_adam_does_not_change_rows_outside_the_batch():
    first, second = rows(0, 1), rows(1, 3)
    after_first = steps("lazy_adam", [first])
    after_second = steps("lazy_adam", [first, second])
    np.testing.assert_array_equal(after_second[0], after_first[0])
    np.testing.assert_array_equal(after_second[2], 1)
    assert (after_second[[1, 3]] != after_first[[1, 3]]).all()
    # Adam's momentum keeps moving row 0; lazy updates do not.
    assert (steps("adam", [first, second])[0] != after_first[0]).all()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lazy_adam_equals_adam_if_every_row_is_touched(decay):
    sparse = [rows(0, 1, 2, 3), rows(0, 1, 2, 3, scale=0.3)]
    dense = [tf.convert_to_tensor(gradient) for gradient in sparse]
    reference = steps("adam", dense, weight_decay=decay)
    np.testing.assert_allclose(steps("lazy_adam", sparse, weight_decay=decay), reference, rtol=1e-5)
    np.testing.assert_allclose(steps("lazy_adam", dense, weight_decay=decay), reference, rtol=1e-5)


@pytest.mark.parametrize("name", ["lazy_adam", "adagrad"])
def test_repeated_rows_count_together(name):
    twice = tf.IndexedSlices(tf.ones([2, 2]), tf.constant([1, 1]), dense_shape=tf.constant([4, 2]))
    once = tf.IndexedSlices(2 * tf.ones([1, 2]), tf.constant([1]), dense_shape=tf.constant([4, 2]))
    np.testing.assert_allclose(steps(name, [twice, rows(1)]), steps(name, [once, rows(1)]), rtol=1e-6)


@pytest.mark.parametrize("name", ["lazy_adam", "adam", "adagrad"])
def test_a_scalar_does_not_decay(name):
    temperature = tf.Variable(-2.0)
    optimizer(name, weight_decay=0.5).apply_gradients([(tf.constant(0.0), temperature)])
    assert float(temperature) == -2.0


@pytest.mark.parametrize("name", ["lazy_adam", "adagrad"])
def test_only_touched_rows_decay(name):
    zero = tf.IndexedSlices(tf.zeros([1, 2]), tf.constant([2]), dense_shape=tf.constant([4, 2]))
    decayed = steps(name, [zero], weight_decay=0.5)
    np.testing.assert_allclose(decayed, np.repeat([[1], [1], [0.95], [1]], 2, axis=1), rtol=1e-6)
    np.testing.assert_allclose(steps(name, [tf.zeros([4, 2])], weight_decay=0.5), 0.95, rtol=1e-6)


def test_adagrad_is_sparse():
    changed = steps("adagrad", [rows(0, 2)])
    assert (changed[[1, 3]] == 1).all()
    assert (changed[[0, 2]] != 1).all()


@pytest.mark.parametrize("name", ["lazy_adam", "adam", "adagrad"])
def test_the_cosine_schedule_ends_at_0(name):
    gradients = [rows(0, 1)] * 6
    moved = [steps(name, gradients[:count], learning_rate_schedule="cosine")[0] for count in range(7)]
    strides = np.abs(np.diff(moved, axis=0))
    assert (strides[0] > 2 * strides[3]).all()
    np.testing.assert_array_equal(strides[4:], 0)
    assert (steps(name, gradients)[0] != moved[-1]).all()


def test_a_schedule_begins_anew_where_the_optimiser_has_done_steps_already():
    config = TrainingConfig(learning_rate=0.5, learning_rate_schedule="cosine")
    fresh, carried = build_optimizer(config, steps=10), build_optimizer(config, steps=10, first=70)
    weights = [tf.Variable([1.0]), tf.Variable([1.0])]
    for optimizer, weight, done in zip((fresh, carried), weights, (0, 70), strict=True):
        optimizer.build([weight])
        optimizer.iterations.assign(done)
    rates: list[list[float]] = [[], []]
    for _ in range(10):
        for optimizer, weight, found in zip((fresh, carried), weights, rates, strict=True):
            optimizer.apply_gradients([(tf.constant([1.0]), weight)])
            found.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates[1], rates[0])
    assert rates[0][0] == 0.5 > rates[0][9]


@pytest.mark.parametrize("name", MOMENTS)
def test_each_optimiser_keeps_as_many_variables_as_it_says(name):
    optimizer = build_optimizer(TrainingConfig(optimizer=name), steps=10)
    optimizer.build([tf.Variable([1.0]), tf.Variable([[1.0]])])
    assert len(optimizer.variables) == 1 + 2 * MOMENTS[name]
