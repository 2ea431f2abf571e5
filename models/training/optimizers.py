"""Optimisers whose cost per step depends on the batch and not on the vocabulary."""

from typing import Any

import tensorflow as tf

from models.spec.config import TrainingConfig

MOMENTS = {"lazy_adam": 2, "adam": 2, "adagrad": 1}
"""Number of variables that each optimiser keeps for a weight."""


class _RowwiseDecay(tf.keras.optimizers.Optimizer):
    """Decoupled weight decay of only the rows that a sparse gradient touches; Keras decays whole tables.

    Scalars, such as a temperature, do not decay.
    """

    decay: float

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        if self.decay and variable.shape.rank:
            rate = tf.cast(self.learning_rate, variable.dtype) * self.decay
            if isinstance(gradient, tf.IndexedSlices):
                rows = tf.gather(variable, gradient.indices)
                variable.scatter_sub(tf.IndexedSlices(rate * rows, gradient.indices))
            else:
                variable.assign_sub(rate * variable)
        super().update_step(gradient, variable)


class DecayedAdam(_RowwiseDecay, tf.keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015) with decoupled decay. Momentum moves every row of a table at every step.

    Args:
        learning_rate: the step size.
        decay: weight decay per step, times the learning rate.
    """

    def __init__(self, learning_rate: float = 0.001, *, decay: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate, jit_compile=False, **kwargs)
        self.decay = decay


class LazyAdam(DecayedAdam):
    """Adam that changes only the rows and moments that the batch touches.

    It equals Adam on dense gradients; on sparse gradients its cost depends on the number of rows touched.
    """

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Applies one gradient to the variable."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        rows, values = gradient.indices, gradient.values
        position = self._index_dict[self._var_key(variable)]
        momentum, velocity = self._momentums[position], self._velocities[position]
        mean = self.beta_1 * tf.gather(momentum, rows) + (1 - self.beta_1) * values
        square = self.beta_2 * tf.gather(velocity, rows) + (1 - self.beta_2) * tf.square(values)
        momentum.scatter_update(tf.IndexedSlices(mean, rows))
        velocity.scatter_update(tf.IndexedSlices(square, rows))
        step = tf.cast(self.iterations + 1, variable.dtype)
        rate = tf.cast(self.learning_rate, variable.dtype)
        scale = tf.sqrt(1 - tf.pow(self.beta_2, step)) / (1 - tf.pow(self.beta_1, step))
        change = scale * mean / (tf.sqrt(square) + self.epsilon)
        if self.decay:
            change += self.decay * tf.gather(variable, rows)
        variable.scatter_sub(tf.IndexedSlices(rate * change, rows))


class DecayedAdagrad(_RowwiseDecay, tf.keras.optimizers.Adagrad):
    """Adagrad (Duchi et al. 2011) with decoupled decay. Sparse gradients update only their rows, as in Keras.

    Args:
        learning_rate: the step size.
        decay: weight decay per step, times the learning rate.
    """

    def __init__(self, learning_rate: float = 0.01, *, decay: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate, jit_compile=False, **kwargs)
        self.decay = decay


class Rewound(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins when the optimiser has done some steps already.

    Args:
        schedule: the schedule.
        first: number of steps before its first.
    """

    def __init__(self, schedule: tf.keras.optimizers.schedules.LearningRateSchedule, first: int) -> None:
        super().__init__()
        self._schedule, self._first = schedule, first

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The learning rate of a step."""
        return self._schedule(step - self._first)


def build_optimizer(config: TrainingConfig, *, steps: int, first: int = 0) -> tf.keras.optimizers.Optimizer:
    """Builds the configured optimiser.

    Args:
        config: the settings.
        steps: number of steps of a training that runs all epochs; the cosine schedule ends there.
        first: count of steps at which the training begins.
    """
    kinds = {"lazy_adam": LazyAdam, "adam": DecayedAdam, "adagrad": DecayedAdagrad}
    rate: Any = config.learning_rate
    if config.learning_rate_schedule == "cosine":
        rate = tf.keras.optimizers.schedules.CosineDecay(rate, steps)
        rate = Rewound(rate, first) if first else rate
    return kinds[config.optimizer](rate, decay=config.weight_decay)
