"""What a model answers without a server: one thread calls its signature on tensors that are made beforehand."""

import importlib
import itertools
import time
from typing import Any

import tensorflow as tf

from benchmarks.harness.processes import answer
from benchmarks.serving.tasks import InProcessOutcomes, InProcessTask, Outcome
from serving.model.descriptions import Inputs, read_description
from serving.model.requests import as_batch, complete_request


def call_signature(task: InProcessTask) -> InProcessOutcomes:
    """Calls the signature as often as it can with each kind of batch."""
    description = read_description(task.model)
    for module in description.imports:
        importlib.import_module(module)
    serve = tf.saved_model.load(str(task.model)).signatures["serving_default"]
    inputs = description.inputs()
    rows = [complete_request(inputs, question.model_dump(mode="json")) for question in task.questions]
    calls = [_tensors(inputs, rows, batch) for batch in task.batches]
    return InProcessOutcomes(
        outcomes=[
            _outcome(serve, of_batch, batch, task.seconds) for batch, of_batch in zip(task.batches, calls, strict=True)
        ]
    )


def _tensors(inputs: Inputs, rows: list[Any], batch: int) -> list[dict[str, tf.Tensor]]:
    batches = [as_batch(inputs, rows[start : start + batch]) for start in range(0, len(rows), batch)]
    return [{name: tf.constant(columns[name], spec.dtype) for name, spec in inputs.items()} for columns in batches]


def _outcome(serve: Any, calls: list[dict[str, tf.Tensor]], batch: int, seconds: float) -> Outcome:
    for call in calls[:3]:
        serve(**call)
    latencies: list[float] = []
    began = time.perf_counter()
    for call in itertools.cycle(calls):
        start = time.perf_counter()
        serve(**call)["scores"].numpy()
        end = time.perf_counter()
        latencies.append(1000 * (end - start))
        if end - began >= seconds:
            break
    return Outcome(requests=batch * len(latencies), seconds=end - began, errors={}, latencies_ms=latencies)


if __name__ == "__main__":
    answer(InProcessTask, call_signature)
