"""Loads the served model of a large catalogue, and times its signature, in a process of its own."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scann  # noqa: F401  # registers the operation that the saved model has
import tensorflow as tf
from scann.scann_ops.py import scann_ops

from benchmarks.harness.processes import answer
from benchmarks.retrieval.served_model import ENCODED, TOP_K, catalogue_size, requests
from benchmarks.retrieval.tasks import Latency, Loaded, LoadTask, Saved

_CALLS, _WARM_UP = 200, 20
_REQUESTS = 20


def load(task: LoadTask) -> Loaded:
    """Loads the model, asks it once, and measures every batch size."""
    model = tf.saved_model.load(str(task.directory / "scann"))
    request = requests(np.random.default_rng(0), 1, catalogue_size(model))
    began = time.perf_counter()
    model.signatures["serving_default"](**request)
    seconds = time.perf_counter() - began
    latencies = [_latency(model, task.saved, batch) for batch in task.batches]
    return Loaded(first_answer_seconds=seconds, latencies=latencies)


def _latency(model: Any, saved: Saved, batch: int) -> Latency:
    @tf.function(input_signature=[ENCODED])
    def floor(encoded: dict[str, tf.Tensor]) -> tf.Tensor:
        searcher = scann_ops.searcher_from_module(model.search.state)
        query = model.towers.embed_query(encoded)
        return searcher.search_batched_parallel(query, TOP_K, saved.reorder, saved.leaves_to_search)

    random, candidates = np.random.default_rng(batch), catalogue_size(model)
    raw = [requests(random, batch, candidates) for _ in range(_REQUESTS)]
    encoded = [
        model.preprocessing.encode_query({"country": request["country"], "age": request["age"]})
        | {"history": model.preprocessing.encode_history(request["history"])}
        for request in raw
    ]
    serve = model.signatures["serving_default"]
    signature, parts = _interleaved(
        lambda call: serve(**raw[call % _REQUESTS]), lambda call: floor(encoded[call % _REQUESTS])
    )
    return Latency(batch=batch, signature_ms=signature, scann_and_tower_ms=parts)


def _interleaved(*functions: Callable[[int], Any]) -> list[float]:
    """Median milliseconds of each; calls take turns, so that all meet the same disturbances."""
    seconds: list[list[float]] = [[] for _ in functions]
    for call in range(_WARM_UP + _CALLS):
        for function, times in zip(functions, seconds, strict=True):
            began = time.perf_counter()
            function(call)
            times.append(time.perf_counter() - began)
    return [1000 * float(np.median(times[_WARM_UP:])) for times in seconds]


if __name__ == "__main__":
    answer(LoadTask, load)
