"""Candidates and queries to search: clustered unit vectors, and the items of a trained model."""

import shutil
from pathlib import Path

import numpy as np

from benchmarks.harness.pipeline_runs import latest, stored_queries

DIMENSION = 64
TRUE_ANSWERS = 100
_SPREAD = 1.25  # within a cluster, beside the spread of the centres
_BLOCK = 65_536
_MOST_TRAINED_QUERIES = 2000


def clustered(count: int, *, clusters: int, seed: int) -> np.ndarray:
    """Unit vectors of overlapping clusters, float32 `[count, 64]`.

    Centres and clusters have a spectrum that falls with the square root of the dimension; sizes are log-normal. With
    this spread the share of an inverted file's cells that hold the ten nearest equals that of a model trained on
    57,000 products. Tidier clusters make every index look better than it will be.

    Args:
        count: vectors.
        clusters: of the mixture; the same number gives the same mixture with any seed.
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


def trained(run: Path, *, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of all candidates and of 2,000 queries at most, by a pipeline's latest model.

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
    context = ExecutionContext(beam=InProcess(), scratch=scratch)
    candidates = candidate_embeddings(Model(latest(run, "model")), dataset, context)
    return candidates, stored_queries(run, scratch=scratch, limit=_MOST_TRAINED_QUERIES)


def write(directory: Path, *, candidates: np.ndarray, queries: np.ndarray) -> None:
    """Writes what a library is measured on, every other query for tuning; a directory that exists is whole."""
    import faiss

    unfinished = directory.with_name(f".{directory.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    np.save(unfinished / "candidates.npy", candidates)
    for part, chosen in (("tuning", queries[::2]), ("reported", queries[1::2])):
        contiguous = np.ascontiguousarray(chosen)
        np.save(unfinished / f"{part}.npy", contiguous)
        k = min(TRUE_ANSWERS, len(candidates))
        truth = faiss.knn(contiguous, candidates, k, metric=faiss.METRIC_INNER_PRODUCT)[1]
        np.save(unfinished / f"{part}.truth.npy", truth)
    unfinished.rename(directory)
