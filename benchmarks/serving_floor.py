"""What a model answers without a server: its signature called by one thread on tensors that are made beforehand.

Reads a JSON task from standard input: `model` (directory of a SavedModel), `rows` (requests by input name),
`batches` (how many rows a call has) and `seconds`. Prints a JSON list with an item for each kind of batch, as the load
generator prints it, a call counting as its rows.
"""

import importlib
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from serving.model.descriptions import Inputs, read_description
from serving.model.requests import as_batch, complete_request


def run(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Calls the signature as often as it can with each kind of batch."""
    description = read_description(Path(task["model"]))
    for module in description.imports:
        importlib.import_module(module)
    serve = tf.saved_model.load(task["model"]).signatures["serving_default"]
    inputs = description.inputs()
    rows = [complete_request(inputs, row) for row in task["rows"]]
    return [_call(serve, inputs, rows, batch, task["seconds"]) for batch in task["batches"]]


def _call(serve: Any, inputs: Inputs, rows: list[Any], batch: int, seconds: float) -> dict[str, Any]:
    batches = [as_batch(inputs, rows[start : start + batch]) for start in range(0, len(rows), batch)]
    calls = [{name: tf.constant(columns[name], spec.dtype) for name, spec in inputs.items()} for columns in batches]
    for call in calls[:3]:
        serve(**call)
    latencies, began = [], time.perf_counter()
    for call in itertools.cycle(calls):
        start = time.perf_counter()
        serve(**call)["scores"].numpy()
        end = time.perf_counter()
        latencies.append(1000 * (end - start))
        if end - began >= seconds:
            break
    return {"requests": batch * len(latencies), "seconds": end - began, "errors": {}, "latencies_ms": latencies}


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
