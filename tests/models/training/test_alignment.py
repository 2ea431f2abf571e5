"""Rows of tables whose vocabularies grew, shrank and were reordered."""

import numpy as np
import tensorflow as tf

from models.preprocessing.vocabulary import Vocabulary
from models.training.alignment import aligned_by_position, aligned_by_value


def test_rows_follow_their_values_into_a_vocabulary_of_another_order_and_size():
    alignment = aligned_by_value(["a", "b", "c"], ["c", "d", "a"], oov_buckets=1)
    earlier = np.array([[0.0], [1.0], [10.0], [20.0], [30.0]])  # missing, unknown, a, b, c
    np.testing.assert_array_equal(alignment.rows(earlier)[:, 0], [0, 1, 30, 1, 10])
    np.testing.assert_array_equal(alignment.known_rows(earlier)[:, 0], [0, 1, 30, 0, 10])
    assert (alignment.new, alignment.gone) == (1, 1)


def test_a_new_value_starts_from_the_bucket_that_stood_for_it(tmp_path):
    values = [f"new {number}" for number in range(20)]
    alignment = aligned_by_value(["a"], values, oov_buckets=4)
    buckets = Vocabulary(["a"], oov_buckets=4, file=tmp_path / "vocabulary")(tf.constant(values)).numpy()
    np.testing.assert_array_equal(alignment.source[5:], buckets)
    assert len(set(buckets)) > 1


def test_an_empty_vocabulary_is_aligned():
    assert aligned_by_value(["a"], [], oov_buckets=1).gone == 1
    assert aligned_by_value([], ["a"], oov_buckets=1).new == 1


def test_rows_that_mean_the_same_by_position_stay():
    fewer, more = aligned_by_position(4, 3), aligned_by_position(3, 5)
    np.testing.assert_array_equal(fewer.source, [0, 1, 2])
    np.testing.assert_array_equal(more.source, [0, 1, 2, 2, 2])
    assert (fewer.new, fewer.gone, more.new, more.gone) == (0, 1, 2, 0)
