"""BulkInferrer beside the bare index: how many queries a second get their candidates.

A pipeline runs once on made-up data, 100,000 queries and as many candidates. Then, each in a process of its own:
ScaNN's operation on the embeddings of all queries and nothing else, and BulkInferrer as the pipeline runs it, with
seen candidates removed and Parquet written: all of it; without embedding the queries; and, as the rate of however many
queries, from its first shard to its last, when everything is loaded.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Goal, finish, measured, parser, run_pipeline
from benchmarks.retrieval_data import latest

_NAME = "bulk"
_CONFIG = """\
schema_version: 1
name: bulk
data:
  interactions: {format: synthetic, queries: SIZE, candidates: SIZE, events_per_query: 10}
model: {embedding_dim: 64, temperature: 0.1}
training: {max_epochs: 1}
evaluation: {baselines: []}
"""
_TOP_K = 50
_BLOCK = 1024
_BRUTE_FORCE = {"reorder": -1, "leaves_to_search": -1}

Row = dict[str, Any]


def main() -> int:
    """Makes the model and measures both sides."""
    options = parser(__doc__)
    options.add_argument("--size", type=int, default=100_000, help="queries, and candidates (%(default)s)")
    options.add_argument("--root", type=Path, help="where the pipeline's run is, or is made; temporary if absent")
    arguments = options.parse_args()
    size = 2_000 if arguments.quick else arguments.size
    with tempfile.TemporaryDirectory(prefix="bulk-") as scratch:
        root = arguments.root or Path(scratch)
        root.mkdir(parents=True, exist_ok=True)
        config = root / "bulk.yaml"
        config.write_text(_CONFIG.replace("SIZE", str(size)), encoding="utf-8")
        run_pipeline("run", str(config), "--root", str(root))
        rows = [row for side in _SIDES for row in _measured(side, root / _NAME, Path(scratch))]
    bare, *_, running = rows
    ratio = None if arguments.quick else bare["queries/s"] / running["queries/s"]
    text = f"the bare index's rate, times BulkInferrer's from its first shard to its last, {size:,} candidates"
    return finish(arguments, rows=rows, goals=[Goal.at_most(text, ratio, 1.5)])


def _measured(side: str, run: Path, scratch: Path) -> list[Row]:
    output = scratch / f"{side}.json"
    used = measured([sys.executable, "-m", "benchmarks.bulk_inference", side, str(run), str(scratch), str(output)])
    rows: list[Row] = json.loads(output.read_text(encoding="utf-8"))
    return [row | {"queries/s": row["queries"] / row["seconds"], "peak MiB": used.peak_mib} for row in rows]


def _bare_index(run: Path, scratch: Path) -> list[Row]:
    """ScaNN's operation, queries in blocks, as many answers as are wanted and no more."""
    import scann  # noqa: F401  # its operation must be known before the model is
    import tensorflow as tf
    from scann.scann_ops.py import scann_ops

    from benchmarks.retrieval_data import stored_queries

    queries = stored_queries(run, scratch=scratch)
    serving_model = latest(run, "serving_model")
    settings = json.loads((serving_model / "index.json").read_text())["settings"] or _BRUTE_FORCE
    state = tf.saved_model.load(str(serving_model / "scann")).search.state

    @tf.function(input_signature=[tf.TensorSpec([None, queries.shape[1]], tf.float32)])
    def search(block: tf.Tensor) -> tf.Tensor:
        searcher = scann_ops.searcher_from_module(state)
        return searcher.search_batched_parallel(block, _TOP_K, settings["reorder"], settings["leaves_to_search"])

    search(queries[:_BLOCK])
    began = time.perf_counter()
    for start in range(0, len(queries), _BLOCK):
        search(queries[start : start + _BLOCK])
    return [{"side": "ScaNN's operation", "queries": len(queries), "seconds": time.perf_counter() - began}]


def _bulk_inferrer(run: Path, scratch: Path) -> list[Row]:
    """The component, and what it does once the queries are embedded."""
    import pyarrow.parquet as pq

    from components.base import ExecutionContext
    from components.bulk_inferrer import BulkInferrer, BulkInferrerParams
    from dataplane.artifacts import Model, Recommendations, ServingModel, TransformedExamples, TransformGraph
    from dataplane.beam_runner import InProcess

    marks: list[float] = []
    inputs = BulkInferrer.Inputs(
        TransformedExamples(latest(run, "transformed_examples")),
        TransformGraph(latest(run, "transform_graph")),
        Model(latest(run, "model")),
        ServingModel(latest(run, "serving_model")),
    )
    outputs = BulkInferrer.Outputs(Recommendations(scratch / "recommendations"))
    # It tells when it starts to embed, and when it starts to rank.
    context = ExecutionContext(
        beam=InProcess(), scratch=scratch, progress=lambda line: marks.append(time.perf_counter())
    )
    began = time.perf_counter()
    facts = BulkInferrer(BulkInferrerParams(top_k=_TOP_K)).execute(inputs, outputs, context)
    ended = time.perf_counter()
    shards = sorted((scratch / "recommendations").glob("*/*.parquet"))
    first, last = (shards[place].stat().st_mtime for place in (0, -1))
    later = facts["queries"] - pq.read_metadata(shards[0]).num_rows
    return [
        {"side": "BulkInferrer", "queries": facts["queries"], "seconds": ended - began},
        {"side": "BulkInferrer, without the towers", "queries": facts["queries"], "seconds": ended - marks[-1]},
        *([{"side": "BulkInferrer, first to last shard", "queries": later, "seconds": last - first}] if later else []),
    ]


_SIDES = {"bare": _bare_index, "component": _bulk_inferrer}

if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] in _SIDES:
        found = _SIDES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
        Path(sys.argv[4]).write_text(json.dumps(found), encoding="utf-8")
    else:
        raise SystemExit(main())
