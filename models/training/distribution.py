"""Steps on several devices or machines: each replica takes a slice of the batch, and negatives come from all slices.

The loss of a batch is a sum over its queries, of which each replica adds those of its slice; the optimiser sums the
gradients. So a step of several replicas is, but for what dropout drops, the step of one replica on the whole batch.
"""

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from models.spec.features import HISTORY
from models.training.batches import Batch, StepBatches


@cache
def build_strategy(kind: Literal["none", "mirrored", "multi_worker"]) -> tf.distribute.Strategy:
    """Where the replicas are; one strategy a process, since two would mix up each other's messages.

    Args:
        kind: as in `models.spec.config.TrainingConfig.distribution`.

    Raises:
        ValueError: the environment variable TF_CONFIG does not say which machines there are.
    """
    if kind == "none":
        return tf.distribute.get_strategy()
    if kind == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if not _machines_are_named():
        raise ValueError(
            "training.distribution: multi_worker finds its machines in the environment variable TF_CONFIG, as "
            '{"cluster": {"worker": ["HOST:PORT", …]}, "task": {"type": "worker", "index": 0}}; set it on each of them'
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _machines_are_named() -> bool:
    try:
        config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    except json.JSONDecodeError:
        return False
    return isinstance(config, dict) and "worker" in (config.get("cluster") or {})


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that validates and writes: the only one, or worker 0."""
    chief: bool = strategy.extended.should_checkpoint
    return chief


def gathered(tensor: tf.Tensor) -> tf.Tensor:
    """What all replicas have, one after the other along the first axis; gradients find their way back."""
    replica = tf.distribute.get_replica_context()
    return tensor if replica.num_replicas_in_sync == 1 else _with_dense_gradient(replica.all_gather(tensor, axis=0))


@tf.custom_gradient
def _with_dense_gradient(tensor: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    # A loss that looks up some rows has a sparse gradient, which all_gather does not pass on.
    return tf.identity(tensor), tf.convert_to_tensor


def summed(tensor: tf.Tensor) -> tf.Tensor:
    """The sum over all replicas."""
    replica = tf.distribute.get_replica_context()
    return tensor if replica.num_replicas_in_sync == 1 else replica.all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def seed_of_replica(seed: tf.Tensor) -> tf.Tensor:
    """Random numbers of a step for this replica, lest all drop the same, int32 `[2]`."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, replica.replica_id_in_sync_group)


def of_chief(strategy: tf.distribute.Strategy, value: Any) -> np.ndarray:
    """What the chief has, on every worker; all have to ask, in the same order, with values of one shape and type."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        alone: np.ndarray = np.asarray(value)
        return alone

    def sent(tensor: tf.Tensor) -> tf.Tensor:
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return summed(tf.where(first, tensor, tf.zeros_like(tensor)))

    told = tf.function(lambda tensor: strategy.run(sent, args=(tensor,)))(tf.convert_to_tensor(value))
    array: np.ndarray = strategy.experimental_local_results(told)[0].numpy()
    return array


def json_of_chief(strategy: tf.distribute.Strategy, value: Any) -> Any:
    """What the chief has, a JSON value, on every worker."""
    text = np.frombuffer(json.dumps(value).encode(), np.uint8).astype(np.int32)
    length = int(of_chief(strategy, np.int32(len(text))))
    return json.loads(bytes(of_chief(strategy, np.resize(text, length)).astype(np.uint8)))


def replicas_here(strategy: tf.distribute.Strategy) -> list[int]:
    """Which of all replicas are those of this process."""
    numbers = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )
    return [int(number) for number in strategy.experimental_local_results(numbers)]


def input_slices(strategy: tf.distribute.Strategy, batches: StepBatches, first_step: int) -> Iterator[list[Batch]]:
    """Batches from a step on, as tensors: of each, the slices of the replicas of this process."""
    here, replicas = replicas_here(strategy), strategy.num_replicas_in_sync
    for batch in batches.from_step(first_step):
        slices = [slice_of(batch, replica, replicas) for replica in here]
        yield tf.nest.map_structure(tf.convert_to_tensor, slices)


def slices_signature(strategy: tf.distribute.Strategy, batches: StepBatches) -> list[Any]:
    """What `input_slices` yields; of no fixed number of rows, so that no step is traced anew."""
    return [batch_signature(batches.batch(0)) for _ in replicas_here(strategy)]


class TooFewRowsError(ValueError):
    """A batch cannot be divided among the replicas."""


def slice_of(batch: Batch, index: int, of: int) -> Batch:
    """One of so many slices of a batch of `models.training.batches` or `models.training.windows`, itself such a batch.

    Labels, or windows with all their labels, are divided; so are the drawn candidates.

    Raises:
        TooFewRowsError: there are fewer labels or windows than slices.
    """
    if of == 1:
        return batch
    window = batch.get("window", np.arange(len(batch["label"])))
    first, last = (place * (int(window[-1]) + 1) // of for place in (index, index + 1))
    if first == last:
        raise TooFewRowsError(
            f"a batch of {of - 1} or fewer rows has nothing for each of {of} replicas: raise training.batch_size"
        )
    labels = slice(*np.searchsorted(window, [first, last]))
    known = slice(*np.searchsorted(batch["known_row"], [first, last]))
    part: Batch = {name: batch[name][labels] for name in ("label", "weight")}
    part |= {"known": batch["known"][known], "known_row": batch["known_row"][known] - np.int32(first)}
    part |= {side: {name: values[labels] for name, values in batch[side].items()} for side in ("query", "candidate")}
    if "window" in batch:
        history = batch["query"][HISTORY][first:last]
        part["query"][HISTORY] = history
        part["window"] = batch["window"][labels] - np.int32(first)
        part["positions"] = batch["positions"][labels] - np.int32(first * (history.shape[1] + 1))
    if "drawn" in batch:
        draws = slice(*(place * len(batch["drawn_row"]) // of for place in (index, index + 1)))
        part["drawn"] = {name: values[draws] for name, values in batch["drawn"].items()}
        part["drawn_row"] = batch["drawn_row"][draws]
    return part


def batch_signature(batch: Batch) -> Any:
    """Types and widths of a batch and of each of its slices."""

    def spec(values: Any) -> tf.TensorSpec:
        return tf.TensorSpec([None, *values.shape[1:]], values.dtype)

    signature = tf.nest.map_structure(spec, batch)
    if HISTORY in signature["query"]:  # windows are as long as the longest of the batch
        signature["query"][HISTORY] = tf.TensorSpec([None, None], tf.int32)
    return signature
