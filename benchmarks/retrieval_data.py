"""Candidates and queries of `benchmarks.retrieval`: clustered unit vectors, and the items of a trained model."""

import shutil
from pathlib import Path

import numpy as np

DIMENSION = 64
_SPREAD = 1.25  # within a cluster, beside the spread of the centres
_BLOCK = 65_536


def clustered(count: int, *, clusters: int, seed: int) -> np.ndarray:
    """Unit vectors of overlapping clusters, float32 `[count, 64]`.

    Centres and clusters have a spectrum that falls with the square root of the dimension, sizes are log-normal. With
    this spread the share of an inverted file's cells that hold the ten nearest is that of the embeddings of a model
    trained on 57,000 products: tidier clusters make every index look better than it will be.

    Args:
        count: vectors.
        clusters: of the mixture; the same number and any seed give the same mixture.
        seed: of the draw.
    """
    world, random = np.random.default_rng(7), np.random.default_rng(seed)
    scale = (1 + np.arange(DIMENSION, dtype=np.float32)) ** -0.5
    centres = world.standard_normal((clusters, DIMENSION), np.float32) * scale
    sizes = np.cumsum(world.lognormal(size=clusters))
    vectors = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, _BLOCK):
        block = vectors[start : start + _BLOCK]
        cluster = np.searchsorted(sizes, random.random(len(block)) * sizes[-1])
        block[:] = centres[cluster] + _SPREAD * scale * random.standard_normal(block.shape, np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def latest(run: Path, output: str) -> Path:
    """The newest output of this name in a pipeline's directory, `ROOT/NAME`; ends the process if there is none."""
    found = sorted(run.glob(f"*/*/{output}"))
    if not found:
        raise SystemExit(f"{run} has no {output}: give the directory of a pipeline's run, such as runs/movielens_100k")
    return found[-1]


def trained(run: Path, *, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of all candidates and of 2,000 queries at most, of a pipeline's latest model.

    Args:
        run: the pipeline's directory, `ROOT/NAME`.
        scratch: for temporary files.
    """
    from components.base import ExecutionContext
    from dataplane.artifacts import Model, TransformedExamples
    from dataplane.beam_runner import InProcess
    from dataplane.dataset.embedding import candidate_embeddings
    from dataplane.dataset.sequences import read_dataset

    dataset = read_dataset(TransformedExamples(latest(run, "transformed_examples")))
    candidates = candidate_embeddings(
        Model(latest(run, "model")), dataset, ExecutionContext(beam=InProcess(), scratch=scratch)
    )
    return candidates, stored_queries(run, scratch=scratch, limit=2000)


def stored_queries(run: Path, *, scratch: Path, limit: int | None = None) -> np.ndarray:
    """Embeddings of the first `limit` queries, or of all, of a pipeline's latest model after all their events.

    Args:
        run: the pipeline's directory, `ROOT/NAME`.
        scratch: for temporary files.
        limit: how many.
    """
    from components.base import ExecutionContext
    from dataplane.artifacts import Model, TransformedExamples, TransformGraph
    from dataplane.beam_runner import InProcess
    from dataplane.dataset.sequences import read_dataset
    from serving.model.stored_queries import stored_query_embeddings

    dataset = read_dataset(TransformedExamples(latest(run, "transformed_examples")))
    rows = np.arange(len(dataset.queries))[:limit]
    model, graph = Model(latest(run, "model")), TransformGraph(latest(run, "transform_graph"))
    return stored_query_embeddings(
        model, graph, dataset, ExecutionContext(beam=InProcess(), scratch=scratch), query_rows=rows
    )


def write(directory: Path, *, candidates: np.ndarray, queries: np.ndarray) -> None:
    """Writes what a library is measured on, every other query for tuning; the directory is there when it is whole."""
    import faiss

    unfinished = directory.with_name(f".{directory.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    np.save(unfinished / "candidates.npy", candidates)
    for part, chosen in (("a", queries[::2]), ("b", queries[1::2])):
        np.save(unfinished / f"{part}.npy", np.ascontiguousarray(chosen))
        k = min(100, len(candidates))
        truth = faiss.knn(np.ascontiguousarray(chosen), candidates, k, metric=faiss.METRIC_INNER_PRODUCT)[1]
        np.save(unfinished / f"{part}.truth.npy", truth)
    unfinished.rename(directory)
