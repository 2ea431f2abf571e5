"""One training step on every replica."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from models.training.batches import Batch
from models.training.distribution import replicas_here
from models.training.two_tower import TwoTower


def compiled(
    model: TwoTower, signature: list[Any], mean_loss: tf.keras.metrics.Mean
) -> Callable[[Sequence[Batch]], None]:
    """Compiles one training step on every replica; it is traced only once.

    Args:
        model: compiled.
        signature: signature of the step's input, see `models.training.distribution.slices_signature`.
        mean_loss: updated with the loss of each step.

    Returns:
        A function that runs a step with the slices from `models.training.distribution.input_slices`.
    """
    strategy = model.distribute_strategy
    first = replicas_here(strategy)[0]

    @tf.function(input_signature=[signature], autograph=False)
    def train_step(slices: Sequence[Batch]) -> None:
        def on_replica() -> dict[str, tf.Tensor]:
            replica = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
            return model.train_step(slices[int(replica) - first])

        losses = strategy.run(on_replica)
        mean_loss.update_state(strategy.reduce("SUM", losses["loss"], axis=None))

    step: Callable[[Sequence[Batch]], None] = train_step
    return step
