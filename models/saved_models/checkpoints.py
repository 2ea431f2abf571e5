"""Compares checkpoints by their values: their bytes hold names that a process gave to variables."""

from pathlib import Path

import numpy as np
import tensorflow as tf

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def same_values(first: Path, second: Path) -> bool:
    """Whether two checkpoints have equal variables, to the bit, at the same places of the model.

    Args:
        first: path of a checkpoint without the suffixes of its files, such as `variables/variables`.
        second: the same of another checkpoint.

    Raises:
        tensorflow.errors.OpError: a checkpoint is missing or damaged.
    """
    readers = [tf.train.load_checkpoint(str(checkpoint)) for checkpoint in (first, second)]
    types = [reader.get_variable_to_dtype_map() for reader in readers]
    if types[0] != types[1]:
        return False
    values = ((reader.get_tensor(name) for reader in readers) for name in types[0] if name != _OBJECT_GRAPH)
    return all(_equal(*pair) for pair in values)


def _equal(first: np.ndarray | bytes, second: np.ndarray | bytes) -> bool:
    first, second = np.asarray(first), np.asarray(second)
    if first.dtype == object:  # strings, of which an array holds addresses
        return np.array_equal(first, second)
    return first.shape == second.shape and first.tobytes() == second.tobytes()
