"""Replaces variables of a SavedModel by others, without loading its graph."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def replace_variables(model: Path, path: str, module: tf.Module) -> None:
    """Replaces the variables of an object in a SavedModel by those of an object of the same structure.

    Their shapes may differ where the exported variables had no fixed shape. All other variables stay as they are.

    Args:
        model: directory of the SavedModel.
        path: attributes from the saved object to the object, such as `families/where`.
        module: the other object.

    Raises:
        ValueError: the objects have other variables.
    """
    variables = model / "variables"
    with tempfile.TemporaryDirectory(dir=model, prefix=".variables-") as scratch:
        given = tf.train.load_checkpoint(tf.train.Checkpoint(given=module).write(f"{scratch}/given"))
        there = tf.train.load_checkpoint(str(variables / "variables"))
        new = {path + name.removeprefix("given"): name for name in _names(given) if name.startswith("given/")}
        old = {name for name in _names(there) if name.startswith(f"{path}/") and name.endswith(_VALUE)}
        if old != set(new):
            raise ValueError(f"{path} has the variables {sorted(old)}, not {sorted(new)}")
        names = _names(there)
        tensors = [given.get_tensor(new[name]) if name in new else there.get_tensor(name) for name in names]
        types = [(given if name in new else there).get_variable_to_dtype_map()[new.get(name, name)] for name in names]
        tf.raw_ops.SaveV2(
            prefix=f"{scratch}/variables",
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(tensor, dtype) for tensor, dtype in zip(tensors, types, strict=True)],
        )
        for file in variables.iterdir():
            file.unlink()
        for file in Path(scratch).glob("variables.*"):
            shutil.move(file, variables / file.name)


def _names(reader: Any) -> list[str]:
    return sorted(reader.get_variable_to_shape_map())
