"""Negatives with state: candidates of earlier batches, and the hardest candidates of the whole catalogue.

Both keep their state in variables, so that checkpoints include it.
"""

from collections.abc import Mapping
from dataclasses import replace

import tensorflow as tf

from models.losses.contrast import Contrast, known_columns, own_columns
from models.spec.negatives_config import CrossBatchNegatives, MinedNegatives
from models.towers.towers import CandidateTower


class CandidateQueue(tf.Module):
    """Embeddings of the candidates of the last batches, first in, first out (Wang et al. 2021; He et al. 2020).

    Args:
        config: length and warm-up of the queue.
        dim: length of the embeddings.
    """

    def __init__(self, config: CrossBatchNegatives, dim: int) -> None:
        super().__init__(name="queue")
        self._size, self._warm_up = config.n, config.warm_up
        self._embeddings = tf.Variable(tf.zeros([config.n, dim]), trainable=False, name="embeddings")
        self._rows = tf.Variable(tf.zeros([config.n], tf.int32), trainable=False, name="rows")
        self._pushed = tf.Variable(0, trainable=False, dtype=tf.int64, name="pushed")

    def extend(self, contrast: Contrast, step: tf.Tensor, *, batch_share: tf.Tensor) -> Contrast:
        """Adds the queued candidates to the contrast, then queues the batch's candidates.

        Args:
            contrast: the batch alone.
            step: number of the step, from 0, scalar.
            batch_share: share of each candidate of the catalogue among the training events, `[catalogue]`.

        Returns:
            The contrast with batch and queue; each candidate's `frequency` is its expected count in both.
        """
        filled = tf.cast(tf.minimum(self._pushed, self._size), tf.int32)
        embeddings, rows = self._embeddings[:filled], self._rows[:filled]
        all_rows = tf.concat([contrast.rows, rows], axis=0)
        size = tf.cast(tf.maximum(tf.size(contrast.rows) - 1, 1), tf.float32)
        # `frequency` is the expected count in the batch; the queue's expected count is proportional to its length.
        own = tf.concat([contrast.frequency, size * tf.gather(batch_share, rows)], axis=0)
        extended = replace(
            contrast,
            candidates=tf.concat([contrast.candidates, embeddings], axis=0),
            rows=all_rows,
            frequency=own + tf.cast(filled, tf.float32) * tf.gather(batch_share, all_rows),
        )
        self._push(contrast, step)
        return extended

    def _push(self, contrast: Contrast, step: tf.Tensor) -> None:
        rows, embeddings = contrast.rows[-self._size :], tf.stop_gradient(contrast.candidates[-self._size :])
        count = tf.where(tf.cast(step, tf.int64) >= self._warm_up, tf.size(rows, out_type=tf.int64), 0)
        places = (self._pushed + tf.range(count)) % self._size
        self._embeddings.scatter_update(tf.IndexedSlices(embeddings[:count], places))
        self._rows.scatter_update(tf.IndexedSlices(rows[:count], places))
        self._pushed.assign_add(count)


class HardNegativeMiner(tf.Module):
    """Finds the candidates that score highest for the queries of a batch and are not known positives.

    It searches embeddings of the whole catalogue that are refreshed every `config.refresh` steps. The candidates it
    finds are then embedded again, so that they receive gradients.

    Args:
        config: number of negatives, refresh interval and warm-up.
        catalogue: encoded candidate columns, each `[candidates, width]`.
        dim: length of the embeddings.
    """

    def __init__(self, config: MinedNegatives, catalogue: Mapping[str, tf.Tensor], dim: int) -> None:
        super().__init__(name="mined")
        self._config = config
        self._catalogue = dict(catalogue)
        self._number = next(iter(catalogue.values())).shape[0]
        self._index = tf.Variable(tf.zeros([self._number, dim]), trainable=False, name="index")

    def extend(self, contrast: Contrast, step: tf.Tensor, tower: CandidateTower, seed: tf.Tensor | None) -> Contrast:
        """Adds each query's hardest negatives to the candidates that all queries share.

        Args:
            contrast: the batch alone.
            step: number of the step, from 0, scalar.
            tower: embeds candidates.
            seed: seed of the step's random numbers, int32 `[2]`; None outside training.
        """
        rows = tf.cond(
            step >= self._config.warm_up, lambda: self._mine(contrast, step, tower), lambda: tf.zeros([0], tf.int32)
        )
        rows = tf.ensure_shape(rows, [None])
        embedded = tower({name: tf.gather(values, rows) for name, values in self._catalogue.items()}, seed)
        # A mined candidate is present with certainty, so its frequency is 1.
        return replace(
            contrast,
            candidates=tf.concat([contrast.candidates, embedded], axis=0),
            rows=tf.concat([contrast.rows, rows], axis=0),
            frequency=tf.concat([contrast.frequency, tf.ones_like(rows, tf.float32)], axis=0),
        )

    def _mine(self, contrast: Contrast, step: tf.Tensor, tower: CandidateTower) -> tf.Tensor:
        due = (step - self._config.warm_up) % self._config.refresh == 0
        index = tf.cond(due, lambda: self._index.assign(tower(self._catalogue)), lambda: self._index.read_value())
        everything = replace(contrast, rows=tf.range(self._number))
        out = known_columns(everything) | own_columns(everything)
        scores = tf.matmul(tf.stop_gradient(contrast.queries), index, transpose_b=True)
        scores, hardest = tf.math.top_k(tf.where(out, tf.float32.min, scores), min(self._config.n, self._number))
        # Duplicates are dropped. A query that knows nearly every candidate has fewer than `n` negatives.
        return tf.unique(tf.boolean_mask(hardest, scores > tf.float32.min))[0]
