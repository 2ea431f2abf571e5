"""Runs of the pipeline, and what the latest run left."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np


def run_pipeline(*arguments: str) -> None:
    """Runs the pipeline's command line in a process of its own, without its summary.

    Raises:
        CalledProcessError: the command fails.
    """
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    subprocess.run([sys.executable, "-m", "pipeline", *arguments], check=True, env=quiet, stdout=subprocess.DEVNULL)


def latest(run: Path, output: str) -> Path:
    """The newest output of this name in a pipeline's directory, `ROOT/NAME`.

    Raises:
        SystemExit: the directory has no such output.
    """
    found = sorted(run.glob(f"*/*/{output}"))
    if not found:
        raise SystemExit(f"{run} has no {output}: give the directory of a pipeline's run, such as runs/movielens_100k")
    return found[-1]


def stored_queries(run: Path, *, scratch: Path, limit: int | None = None) -> np.ndarray:
    """Embeddings of queries after all their events, by a pipeline's latest model; float32 `[queries, dim]`.

    Args:
        run: the pipeline's directory, `ROOT/NAME`.
        scratch: for temporary files.
        limit: the first so many queries; all if absent.
    """
    from components.base import ExecutionContext
    from dataplane.artifacts import Model, TransformedExamples, TransformGraph
    from dataplane.beam_runner import InProcess
    from dataplane.dataset.sequences import read_dataset
    from serving.model.stored_queries import stored_query_embeddings

    dataset = read_dataset(TransformedExamples(latest(run, "transformed_examples")))
    rows = np.arange(len(dataset.queries))[:limit]
    model, graph = Model(latest(run, "model")), TransformGraph(latest(run, "transform_graph"))
    context = ExecutionContext(beam=InProcess(), scratch=scratch)
    return stored_query_embeddings(model, graph, dataset, context, query_rows=rows)
