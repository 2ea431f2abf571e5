"""Estimates how often candidates occur in a batch while batches stream by."""

import numpy as np
import tensorflow as tf

from models.spec.negatives_config import StreamingFrequency

_PRIME = 2**31 - 1


class StreamingEstimator(tf.Module):
    """Moving mean of the steps between a candidate's appearances, hashed (Yi et al. 2019, algorithms 2 and 3).

    Candidates that share a bucket shorten its gap, so the longest gap over all hash arrays is used.

    Args:
        config: the estimator's settings.
        gap: initial number of steps between appearances.
        seed: decides the hash functions.
    """

    def __init__(self, config: StreamingFrequency, *, gap: float, seed: int) -> None:
        super().__init__(name="frequency")
        self._alpha = config.alpha
        self._buckets = config.buckets
        shape = [config.hashes * config.buckets]
        self._last = tf.Variable(tf.zeros(shape, tf.int64), trainable=False, name="last_step")
        self._gap = tf.Variable(tf.fill(shape, tf.cast(gap, tf.float32)), trainable=False, name="mean_gap")
        factors = np.random.default_rng([seed, 2]).integers(1, _PRIME, (2, config.hashes))
        self._factors = tf.constant(factors, tf.int64)

    def update(self, rows: tf.Tensor, step: tf.Tensor) -> None:
        """Records the candidates of a batch.

        Args:
            rows: candidates int32 `[batch]`; repeated ones count once.
            step: number of the step, from 1, integer scalar.
        """
        buckets, now = tf.reshape(self._hashed(rows), [-1]), tf.cast(step, tf.int64)
        steps = tf.cast(now - tf.gather(self._last, buckets), tf.float32)
        gaps = (1 - self._alpha) * tf.gather(self._gap, buckets) + self._alpha * steps
        # A bucket that occurs twice is written twice with the same value.
        self._gap.scatter_update(tf.IndexedSlices(gaps, buckets))
        self._last.scatter_update(tf.IndexedSlices(tf.fill(tf.shape(buckets), now), buckets))

    def expected(self, rows: tf.Tensor) -> tf.Tensor:
        """Estimated probability that a batch contains each candidate, int32 `[n]` → float32 `[n]`."""
        return 1 / tf.reduce_max(tf.gather(self._gap, self._hashed(rows)), axis=0)

    def _hashed(self, rows: tf.Tensor) -> tf.Tensor:
        """Bucket of each candidate in each array, `[hashes, n]`; array `h` starts at `h * buckets`."""
        hashed = (self._factors[0, :, None] * tf.cast(rows, tf.int64) + self._factors[1, :, None]) % _PRIME
        return hashed % self._buckets + self._buckets * tf.range(hashed.shape[0], dtype=tf.int64)[:, None]
