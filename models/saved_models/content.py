"""Digest of what a SavedModel computes: its weights, vocabularies and configuration.

Two SavedModels of the same model can differ in their bytes, because the graph names functions by a counter of the
process that saved it. So the digest covers the variables by their place in the model, the assets, and a configuration
file with everything else that the model depends on, which is written with the towers and the preprocessing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

_CONFIGURATION = Path("assets.extra") / "configuration.json"
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def write_configuration(directory: Path, configuration: Mapping[str, Any]) -> None:
    """Writes into a SavedModel the configuration that it depends on besides variables and assets.

    Args:
        directory: directory of the SavedModel.
        configuration: JSON values; equal for models that compute the same from equal variables and assets.
    """
    (directory / _CONFIGURATION).parent.mkdir(exist_ok=True)
    text = json.dumps(configuration, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (directory / _CONFIGURATION).write_text(text + "\n", encoding="utf-8")


def has_configuration(directory: Path) -> bool:
    """Whether a SavedModel has a configuration; older releases did not write one."""
    return (directory / _CONFIGURATION).is_file()


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
    yield "configuration", "json", (directory / _CONFIGURATION).read_bytes()
    for asset in sorted((directory / "assets").glob("*")):
        yield f"asset {asset.name}", "bytes", asset.read_bytes()
    reader = tf.train.load_checkpoint(str(directory / "variables" / "variables"))
    for name, shape in sorted(reader.get_variable_to_shape_map().items()):
        if name != _OBJECT_GRAPH:
            values = reader.get_tensor(name)
            yield f"variable {name}", f"{values.dtype} {list(shape)}", values.tobytes()
