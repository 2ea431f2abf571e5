"""Digest of what a SavedModel computes: its weights, vocabularies and configuration.

Two SavedModels of the same model can differ in their bytes, because the graph names functions by a counter of the
process that saved it. So the digest covers the variables by their place in the model, the assets, and a configuration
file with everything else that the model depends on, which is written with the towers and the preprocessing.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from models.saved_models.configuration import CONFIGURATION

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def content_digest(directory: Path) -> str:
    """SHA-256 of the variables, assets and configuration of a SavedModel; independent of the process that saved it.

    Raises:
        OSError: a file cannot be read.
        tensorflow.errors.OpError: the variables are damaged.
    """
    digest = hashlib.sha256()
    for name, described, content in _parts(directory):
        digest.update(f"{name}\0{described}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _parts(directory: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yields name, type and content of each part in a fixed order, with one part in memory at a time."""
    yield "configuration", "json", (directory / CONFIGURATION).read_bytes()
    for asset in sorted((directory / "assets").glob("*")):
        yield f"asset {asset.name}", "bytes", asset.read_bytes()
    reader = tf.train.load_checkpoint(str(directory / "variables" / "variables"))
    for name, shape in sorted(reader.get_variable_to_shape_map().items()):
        if name != _OBJECT_GRAPH:
            values = reader.get_tensor(name)
            yield f"variable {name}", f"{values.dtype} {list(shape)}", _content(values)


def _content(values: np.ndarray) -> bytes:
    """Bytes of a variable. Those of strings are pointers, so their serialised tensor is taken."""
    return tf.io.serialize_tensor(values).numpy() if values.dtype == object else values.tobytes()
