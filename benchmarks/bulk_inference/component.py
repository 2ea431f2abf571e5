"""BulkInferrer as the pipeline runs it, in a process of its own: seen candidates removed, Parquet written."""

import time

import pyarrow.parquet as pq

from benchmarks.bulk_inference.tasks import TOP_K, Component, Task, Timing
from benchmarks.harness.pipeline_runs import latest
from benchmarks.harness.processes import answer
from components.base import ExecutionContext
from components.bulk_inferrer import BulkInferrer, BulkInferrerParams
from dataplane.artifacts import Model, Recommendations, ServingModel, TransformedExamples, TransformGraph
from dataplane.beam_runner import InProcess


def infer(task: Task) -> Component:
    """Executes the component."""
    marks: list[float] = []
    inputs = BulkInferrer.Inputs(
        TransformedExamples(latest(task.run, "transformed_examples")),
        TransformGraph(latest(task.run, "transform_graph")),
        Model(latest(task.run, "model")),
        ServingModel(latest(task.run, "serving_model")),
    )
    recommendations = Recommendations(task.scratch / "recommendations")
    # The component reports when it starts to embed, and when it starts to rank.
    context = ExecutionContext(
        beam=InProcess(), scratch=task.scratch, progress=lambda line: marks.append(time.perf_counter())
    )
    began = time.perf_counter()
    facts = BulkInferrer(BulkInferrerParams(top_k=TOP_K)).execute(
        inputs, BulkInferrer.Outputs(recommendations), context
    )
    ended = time.perf_counter()
    queries = facts["queries"]
    return Component(
        whole=Timing(side="BulkInferrer", queries=queries, seconds=ended - began),
        without_towers=Timing(side="BulkInferrer, without the towers", queries=queries, seconds=ended - marks[-1]),
        running=_between_shards(recommendations, queries),
    )


def _between_shards(recommendations: Recommendations, queries: int) -> Timing | None:
    """The time from the first shard to the last: the rate of however many queries, once everything is loaded."""
    shards = sorted(recommendations.path.glob("*/*.parquet"))
    later = queries - pq.read_metadata(shards[0]).num_rows
    if not later:
        return None
    first, last = (shard.stat().st_mtime for shard in (shards[0], shards[-1]))
    return Timing(side="BulkInferrer, first to last shard", queries=later, seconds=last - first)


if __name__ == "__main__":
    answer(Task, infer)
