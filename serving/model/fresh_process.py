"""Asks a SavedModel in a process that imports nothing but TensorFlow, what the model itself needs and psutil.

`serving.model.ask` runs this file with `python -I`, so no code of the pipeline can help the model. Arguments: a file
with the task and a file for the result, both JSON. The task has `model` (directory), `imports` (modules to import
before loading), `blocked` (modules that must not be importable), `batches` (values by input name), `questions`
(`signature` and `inputs`, asked once each) and `timed` (number of calls with the first row of the first batch that
measure the latency).
"""

import faulthandler
import importlib
import importlib.abc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psutil


class _Blocked(importlib.abc.MetaPathFinder):
    """Keeps modules from being imported.

    Keras is always among them. A served model must not need it, and TensorFlow starts in half the time without it. Its
    top-level packages can be found, because TensorFlow looks for them; what they import cannot.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.split(".")[0] in self._names or fullname.startswith(("keras.", "tf_keras.")):
            raise ImportError(f"{fullname} is blocked in this process")


def main(task_file: str, result_file: str) -> None:
    """Loads the model, asks it, and writes the result."""
    faulthandler.enable()
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    sys.meta_path.insert(0, _Blocked(task["blocked"]))
    import tensorflow as tf

    for name in task["imports"]:
        importlib.import_module(name)
    resident = _resident_bytes()
    began = time.perf_counter()
    model = tf.saved_model.load(task["model"])
    serve = model.signatures["serving_default"]
    inputs_of = {name: function.structured_input_signature[1] for name, function in model.signatures.items()}
    load_seconds = time.perf_counter() - began
    batches = [_tensors(tf, inputs_of["serving_default"], batch) for batch in task["batches"]]
    began = time.perf_counter()
    if batches:
        serve(**batches[0])
    result = {
        "load_seconds": load_seconds,
        "warm_up_seconds": time.perf_counter() - began,
        "inputs": {
            signature: {
                name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in inputs.items()
            }
            for signature, inputs in inputs_of.items()
        },
        "answers": [_answer(serve, batch) for batch in batches],
        "latency_ms": _latency(serve, batches, task["timed"]),
    }
    # What is asked once is not worth optimising, which takes seconds for signatures with filters.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    result["replies"] = [
        _reply(model.signatures[asked["signature"]](**_tensors(tf, inputs_of[asked["signature"]], asked["inputs"])))
        for asked in task["questions"]
    ]
    result["memory_bytes"] = max(_resident_bytes() - resident, 0)
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


def _tensors(tf: Any, specs: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    return {name: _tensor(tf, spec, values[name]) for name, spec in specs.items()}


def _tensor(tf: Any, spec: Any, values: list[Any]) -> Any:
    if not values:
        return tf.zeros([size or 0 for size in spec.shape], spec.dtype)
    return tf.constant(values, spec.dtype)


def _answer(serve: Any, batch: dict[str, Any]) -> dict[str, Any]:
    return _reply(serve(**batch))


def _reply(outputs: dict[str, Any]) -> dict[str, Any]:
    return {name: _values(value.numpy()) for name, value in outputs.items()}


def _values(array: Any) -> list[Any]:
    return [[text.decode() for text in row] for row in array] if array.dtype == object else array.tolist()


def _resident_bytes() -> int:
    resident: int = psutil.Process().memory_info().rss
    return resident


def _latency(serve: Any, batches: list[dict[str, Any]], times: int) -> float | None:
    """Median milliseconds for one request."""
    if not batches or not times:
        return None
    first = {name: values[:1] for name, values in batches[0].items()}
    seconds = []
    for _ in range(times + 1):
        began = time.perf_counter()
        serve(**first)["scores"].numpy()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds[1:])


if __name__ == "__main__":
    main(*sys.argv[1:])
