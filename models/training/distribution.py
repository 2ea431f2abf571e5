"""Steps on several devices or machines: each replica takes a slice of the batch, and negatives come from all slices.

The loss of a batch is a sum over its queries. Each replica computes the summand of its slice, and the optimiser adds up
the gradients. Except for dropout, a step of several replicas equals the step of one replica on the whole batch.
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
    """Builds the strategy that places the replicas; one per process, because two would mix up their messages.

    Args:
        kind: as in `models.spec.config.TrainingConfig.distribution`.

    Raises:
        ValueError: the environment variable TF_CONFIG does not name the machines.
    """
    if kind == "none":
        return tf.distribute.get_strategy()
    if kind == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if not _machines_are_named():
        raise ValueError(
            "training.distribution: multi_worker needs the environment variable TF_CONFIG on each machine, such as "
            '{"cluster": {"worker": ["HOST:PORT", …]}, "task": {"type": "worker", "index": 0}}'
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _machines_are_named() -> bool:
    try:
        config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    except json.JSONDecodeError:
        return False
    return isinstance(config, dict) and "worker" in (config.get("cluster") or {})


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process validates and writes: it is the only process, or worker 0."""
    chief: bool = strategy.extended.should_checkpoint
    return chief


def gathered(tensor: tf.Tensor) -> tf.Tensor:
    """Concatenates the tensors of all replicas along the first axis; gradients flow back to each replica."""
    replica = tf.distribute.get_replica_context()
    return tensor if replica.num_replicas_in_sync == 1 else _with_dense_gradient(replica.all_gather(tensor, axis=0))


@tf.custom_gradient
def _with_dense_gradient(tensor: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    # A loss that gathers rows has a sparse gradient, which all_gather does not support.
    return tf.identity(tensor), tf.convert_to_tensor


def summed(tensor: tf.Tensor) -> tf.Tensor:
    """The sum over all replicas."""
    replica = tf.distribute.get_replica_context()
    return tensor if replica.num_replicas_in_sync == 1 else replica.all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def seed_of_replica(seed: tf.Tensor) -> tf.Tensor:
    """Seed of this replica, int32 `[2]`, so that replicas drop different values."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, replica.replica_id_in_sync_group)


def of_chief(strategy: tf.distribute.Strategy, value: Any) -> np.ndarray:
    """The chief's value on every worker. All workers must call this in the same order with equal shapes and types."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        alone: np.ndarray = np.asarray(value)
        return alone

    def only_of_first(tensor: tf.Tensor) -> tf.Tensor:
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return summed(tf.where(first, tensor, tf.zeros_like(tensor)))

    sums = tf.function(lambda tensor: strategy.run(only_of_first, args=(tensor,)))(tf.convert_to_tensor(value))
    array: np.ndarray = strategy.experimental_local_results(sums)[0].numpy()
    return array


def json_of_chief(strategy: tf.distribute.Strategy, value: Any) -> Any:
    """The chief's JSON value on every worker; see `of_chief`."""
    text = np.frombuffer(json.dumps(value).encode(), np.uint8).astype(np.int32)
    length = int(of_chief(strategy, np.int32(len(text))))
    return json.loads(bytes(of_chief(strategy, np.resize(text, length)).astype(np.uint8)))


def replicas_here(strategy: tf.distribute.Strategy) -> list[int]:
    """Numbers of the replicas that run in this process."""
    numbers = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )
    return [int(number) for number in strategy.experimental_local_results(numbers)]


def input_slices(strategy: tf.distribute.Strategy, batches: StepBatches, first_step: int) -> Iterator[list[Batch]]:
    """Yields for each batch from `first_step` on, as tensors, the slices of this process's replicas."""
    here, replicas = replicas_here(strategy), strategy.num_replicas_in_sync
    for batch in batches.from_step(first_step):
        slices = [slice_of(batch, replica, replicas) for replica in here]
        yield tf.nest.map_structure(tf.convert_to_tensor, slices)


def slices_signature(strategy: tf.distribute.Strategy, batches: StepBatches) -> list[Any]:
    """Signature of what `input_slices` yields; row numbers are not fixed, so that no step is traced again."""
    return [batch_signature(batches.batch(0)) for _ in replicas_here(strategy)]


class TooFewRowsError(ValueError):
    """A batch has too few rows to be divided among the replicas."""


def slice_of(batch: Batch, index: int, of: int) -> Batch:
    """Slice `index` of `of` equal slices of a batch; a slice has the format of a batch.

    Labels are divided, or windows with all their labels, and the drawn candidates. For example, slice 1 of 2 of a batch
    with `label` [4, 7, 9, 2] has `label` [9, 2].

    Args:
        batch: from `models.training.batches` or `models.training.windows`.
        index: number of the slice, from 0.
        of: number of slices.

    Raises:
        TooFewRowsError: there are fewer labels or windows than slices.
    """
    if of == 1:
        return batch
    window = batch.get("window", np.arange(len(batch["label"])))
    first, last = (part * (int(window[-1]) + 1) // of for part in (index, index + 1))
    if first == last:
        raise TooFewRowsError(
            f"a batch of {of - 1} or fewer rows cannot be divided among {of} replicas: raise training.batch_size"
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
        draws = slice(*(piece * len(batch["drawn_row"]) // of for piece in (index, index + 1)))
        part["drawn"] = {name: values[draws] for name, values in batch["drawn"].items()}
        part["drawn_row"] = batch["drawn_row"][draws]
    return part


def batch_signature(batch: Batch) -> Any:
    """Types and widths of a batch and of each of its slices."""

    def spec(values: Any) -> tf.TensorSpec:
        return tf.TensorSpec([None, *values.shape[1:]], values.dtype)

    signature = tf.nest.map_structure(spec, batch)
    if HISTORY in signature["query"]:  # its length is that of the longest history of the batch
        signature["query"][HISTORY] = tf.TensorSpec([None, None], tf.int32)
    return signature
