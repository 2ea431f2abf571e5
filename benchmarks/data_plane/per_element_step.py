"""A data step as a Beam job whose elements are rows.

The job has the same in-process runner and the transforms of Beam's programming guide. It does less than the pipeline's
step: no row order hash, no histogram, no exact sums.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa

from benchmarks.data_plane.tasks import Done, StepTask
from benchmarks.harness.processes import answer
from dataplane.beam_runner import InProcess

QUANTILES = 15
IDS = ("query_id", "candidate_id")
_CLEAN = pa.schema(
    {
        "query_id": pa.string(), "candidate_id": pa.string(), "timestamp": pa.timestamp("us", "UTC"),
        "weight": pa.float32(), "device": pa.string(),
    }
)  # fmt: skip
_QUERY = pa.schema(
    {
        "query_id": pa.string(), "candidate": pa.list_(pa.int32()), "split": pa.list_(pa.int8()),
        "timestamp": pa.list_(pa.int64()), "weight": pa.list_(pa.float32()), "device": pa.list_(pa.int32()),
    }
)  # fmt: skip


class CleanRow(beam.DoFn):
    """Casts, checks and renames a row; bad rows go to `dead` with the reason."""

    def process(self, row: dict[str, Any]) -> Iterator[Any]:
        """Cleans one row."""
        reason = ""
        for role, column in (("query_id", "user"), ("candidate_id", "item")):
            if row[column] is None or str(row[column]) == "":
                reason = reason or f"{role} is empty"
        if row["time"] is None:
            reason = reason or "timestamp is empty"
        if row["rating"] is None or not math.isfinite(row["rating"]) or row["rating"] < 0:
            reason = reason or "weight is not a number of 0 or more"
        if reason:
            yield beam.pvalue.TaggedOutput("dead", {"reason": reason, "record": str(row)})
        else:
            yield {
                "query_id": str(row["user"]), "candidate_id": str(row["item"]), "timestamp": row["time"] * 1_000_000,
                "weight": row["rating"], "device": row["device"],
            }  # fmt: skip


def ingestion(pipeline: beam.Pipeline, task: StepTask) -> None:
    """Reads, cleans and writes rows."""
    rows = pipeline | beam.io.ReadFromParquet(str(task.work / "raw" / "*.parquet"))
    cleaned = rows | beam.ParDo(CleanRow()).with_outputs("dead", main="good")
    _ = cleaned.good | beam.io.WriteToParquet(str(task.home / "interactions" / "part"), _CLEAN, codec="zstd")
    dead = pa.schema({"reason": pa.string(), "record": pa.string()})
    _ = cleaned.dead | "WriteDead" >> beam.io.WriteToParquet(str(task.home / "dead" / "part"), dead)


class Moments(beam.CombineFn):
    """Count, extremes, sum and sum of squares."""

    def create_accumulator(self) -> tuple[int, float, float, float, float]:
        """The state of no number."""
        return 0, math.inf, -math.inf, 0.0, 0.0

    def add_input(self, state: Any, value: float) -> Any:
        """Adds a number."""
        return state[0] + 1, min(state[1], value), max(state[2], value), state[3] + value, state[4] + value * value

    def merge_accumulators(self, states: Iterable[Any]) -> Any:
        """Adds states up."""
        counts, lows, highs, sums, squares = zip(*states, strict=True)
        return sum(counts), min(lows), max(highs), sum(sums), sum(squares)

    def extract_output(self, state: Any) -> Any:
        """The state itself."""
        return state


def statistics(pipeline: beam.Pipeline, task: StepTask) -> None:
    """Counts and frequent values of texts, moments and quantiles of numbers, distinct pairs."""
    rows = pipeline | beam.io.ReadFromParquet(str(task.home / "interactions" / "*"))
    for name in (*IDS, "device"):
        counts = (
            rows
            | f"Values_{name}" >> beam.Map(lambda row, name=name: row[name])
            | f"Count_{name}" >> beam.combiners.Count.PerElement()
        )
        _ = counts | f"Distinct_{name}" >> beam.combiners.Count.Globally()
        _ = counts | f"Top_{name}" >> beam.combiners.Top.Of(1000, key=lambda counted: counted[1])
    for name in ("timestamp", "weight"):
        numbers = rows | f"Numbers_{name}" >> beam.Map(lambda row, name=name: _number(row[name]))
        _ = numbers | f"Moments_{name}" >> beam.CombineGlobally(Moments())
        _ = numbers | f"Quantiles_{name}" >> beam.ApproximateQuantiles.Globally(QUANTILES)
    pairs = rows | beam.Map(lambda row: (row["query_id"], row["candidate_id"]))
    _ = pairs | "DistinctPairs" >> beam.combiners.Count.PerElement() | "Pairs" >> beam.combiners.Count.Globally()


def transform(pipeline: beam.Pipeline, task: StepTask) -> None:
    """Vocabularies as side inputs; the events of each query grouped, ordered, split and encoded."""
    rows = pipeline | beam.io.ReadFromParquet(str(task.home / "interactions" / "*"))
    tokens = {
        name: beam.pvalue.AsDict(
            rows
            | f"Values_{name}" >> beam.Map(lambda row, name=name: row[name])
            | f"Count_{name}" >> beam.combiners.Count.PerElement()
            | f"List_{name}" >> beam.combiners.ToList()
            | f"Number_{name}" >> beam.FlatMap(_numbered)
        )
        for name in ("candidate_id", "device")
    }
    _ = (
        rows
        | beam.Map(lambda row: (row["query_id"], row))
        | beam.GroupByKey()
        | beam.Map(_encode_query, candidates=tokens["candidate_id"], devices=tokens["device"])
        | beam.io.WriteToParquet(str(task.home / "transformed" / "part"), _QUERY)
    )


def _numbered(counted: list[tuple[str, int]]) -> list[tuple[str, int]]:
    frequent = sorted(counted, key=lambda pair: (-pair[1], pair[0]))
    return [(value, token + 2) for token, (value, _) in enumerate(frequent)]


def _encode_query(
    group: tuple[str, Iterable[dict[str, Any]]], candidates: dict[str, int], devices: dict[str, int]
) -> dict[str, Any]:
    query, rows = group
    ordered = sorted(rows, key=lambda row: (row["timestamp"], row["candidate_id"]))
    held_out = [0] * (len(ordered) - 2) + [1, 2] if len(ordered) > 2 else [0] * len(ordered)
    return {
        "query_id": query,
        "candidate": [candidates[row["candidate_id"]] for row in ordered],
        "split": held_out,
        "timestamp": [int(_number(row["timestamp"])) for row in ordered],
        "weight": [row["weight"] for row in ordered],
        "device": [devices[row["device"]] for row in ordered],
    }


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else value.timestamp() * 1e6


def run(task: StepTask) -> Done:
    """Runs one step."""
    step = {"ingestion": ingestion, "statistics": statistics, "transform": transform}[task.step]
    with InProcess().pipeline() as pipeline:
        step(pipeline, task)
    return Done()


if __name__ == "__main__":
    answer(StepTask, run)
