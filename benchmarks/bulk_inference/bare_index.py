"""ScaNN's operation on the embeddings of all queries and nothing else, in a process of its own."""

import time

import scann  # noqa: F401  # registers the operation that the saved model has
import tensorflow as tf
from scann.scann_ops.py import scann_ops

from benchmarks.bulk_inference.tasks import TOP_K, BareIndex, Task, Timing
from benchmarks.harness.pipeline_runs import latest, stored_queries
from benchmarks.harness.processes import answer
from dataplane.artifacts import ServingModel
from dataplane.artifacts.serving_model import IndexReport

_BLOCK = 1024
_BRUTE_FORCE = (-1, -1)


def search_all(task: Task) -> BareIndex:
    """Searches blocks of queries for as many candidates as are wanted and no more."""
    queries = stored_queries(task.run, scratch=task.scratch)
    serving_model = latest(task.run, "serving_model")
    settings = IndexReport.read(ServingModel(serving_model)).settings
    reorder, leaves = (settings.reorder, settings.leaves_to_search) if settings else _BRUTE_FORCE
    state = tf.saved_model.load(str(serving_model / "scann")).search.state

    @tf.function(input_signature=[tf.TensorSpec([None, queries.shape[1]], tf.float32)])
    def search(block: tf.Tensor) -> tf.Tensor:
        return scann_ops.searcher_from_module(state).search_batched_parallel(block, TOP_K, reorder, leaves)

    search(queries[:_BLOCK])
    began = time.perf_counter()
    for start in range(0, len(queries), _BLOCK):
        search(queries[start : start + _BLOCK])
    seconds = time.perf_counter() - began
    return BareIndex(search=Timing(side="ScaNN's operation", queries=len(queries), seconds=seconds))


if __name__ == "__main__":
    answer(Task, search_all)
