"""Times the evaluation, or what it is compared with, in a process of its own.

    python -m benchmarks.references.evaluation_side '{"side": "ours", "queries": 100000, …}' OUTPUT.json

Embeddings are made up.
"""

import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.ranking.metrics import coverage, popularity_bias, query_metrics
from models.ranking.ranking import CandidateLists, EmbeddingScorer, rank_candidates

CUTOFFS = (1, 5, 10, 20, 50, 100)
_EXCLUDED = 50
_BLOCK_SCORES = 8_000_000
_TUTORIAL_BATCH = 4096
_ML_100K_QUERIES = 943
_EVENTS_PER_HELD = 5  # the tutorial holds out 20,000 of 100,000 events


@dataclass(frozen=True)
class Workload:
    """What is ranked.

    Attributes:
        side: a key of `SIDES`.
        queries: how many; events, where several share a query.
        candidates: how many.
        dim: length of the embeddings.
    """

    side: str
    queries: int
    candidates: int
    dim: int

    def embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        """Of queries and candidates, float32."""
        rng = np.random.default_rng(3)
        shapes = (self.queries, self.dim), (self.candidates, self.dim)
        return rng.standard_normal(shapes[0], np.float32), rng.standard_normal(shapes[1], np.float32)


def ours(work: Workload) -> float:
    """Exact ranks and all metrics at all cut-offs, each query with one relevant candidate and 50 excluded ones."""
    rng = np.random.default_rng(4)
    drawn = np.sort(rng.integers(0, work.candidates - 1, (work.queries, _EXCLUDED)).astype(np.int32), axis=1)
    excluded = CandidateLists(np.arange(work.queries + 1) * _EXCLUDED, drawn.ravel())
    # One further on than an excluded one, or the last candidate, which nobody excludes.
    free = np.where(np.diff(drawn[:, :2]).ravel() > 1, drawn[:, 0] + 1, work.candidates - 1)
    return _ranked(work, CandidateLists(np.arange(work.queries + 1), free), excluded)


def ours_by_query(work: Workload) -> float:
    """The same of as many events of MovieLens 100k's queries, each ranked once for all of its events."""
    rng = np.random.default_rng(5)
    pairs = rng.choice(_ML_100K_QUERIES * work.candidates, _EVENTS_PER_HELD * work.queries, replace=False)
    relevant, excluded = np.sort(pairs[: work.queries]), np.sort(pairs[work.queries :])
    asked = np.unique(relevant // work.candidates)
    excluded = excluded[np.isin(excluded // work.candidates, asked)]
    work = replace(work, queries=len(asked))
    return _ranked(work, *(_lists(side, asked, work.candidates) for side in (relevant, excluded)))


def _lists(pairs: np.ndarray, asked: np.ndarray, candidates: int) -> CandidateLists:
    offsets = np.searchsorted(pairs, np.append(asked, asked[-1] + 1) * candidates)
    return CandidateLists(offsets, (pairs % candidates).astype(np.int32))


def _ranked(work: Workload, relevant: CandidateLists, excluded: CandidateLists) -> float:
    queries, candidates = work.embeddings()
    popularity = np.random.default_rng(6).integers(1, 1000, work.candidates)
    start = time.perf_counter()
    scorer = EmbeddingScorer(queries, candidates)
    ranking = rank_candidates(scorer, relevant=relevant, excluded=excluded, depth=max(CUTOFFS))
    query_metrics(ranking.ranks, relevant.offsets, CUTOFFS)
    coverage(ranking.top, work.candidates, CUTOFFS)
    popularity_bias(ranking.top, (excluded.offsets, excluded.rows), popularity, CUTOFFS)
    return time.perf_counter() - start


def bare_numpy(work: Workload) -> float:
    """Blocked product and the best 100, sorted, in numpy."""
    queries, candidates = work.embeddings()
    k, block = max(CUTOFFS), max(1, _BLOCK_SCORES // work.candidates)
    start = time.perf_counter()
    for first in range(0, work.queries, block):
        scores = queries[first : first + block] @ candidates.T
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return time.perf_counter() - start


def bare_tensorflow(work: Workload) -> float:
    """Blocked product and the best 100, sorted, in TensorFlow."""
    import tensorflow as tf

    queries, candidates = (tf.constant(side) for side in work.embeddings())
    k, block = max(CUTOFFS), max(1, _BLOCK_SCORES // work.candidates)

    @tf.function(reduce_retracing=True)
    def best(part: tf.Tensor) -> tf.Tensor:
        return tf.math.top_k(tf.matmul(part, candidates, transpose_b=True), k).indices

    best(queries[:block])
    start = time.perf_counter()
    for first in range(0, work.queries, block):
        best(queries[first : first + block]).numpy()
    return time.perf_counter() - start


def factorized_top_k(work: Workload) -> float:
    """`evaluate` of the tutorial: catalogue streamed in batches of 128, recall at five cut-offs, nothing removed."""
    from benchmarks.references.tutorial import Tutorial, batches, compiled

    rng = np.random.default_rng(5)
    names = [np.arange(size).astype(np.bytes_) for size in (_ML_100K_QUERIES, work.candidates)]
    model = compiled(Tutorial(names[0], names[1], dim=work.dim, dense=False, metrics=True))
    columns = {
        "query_id": names[0][rng.integers(0, _ML_100K_QUERIES, work.queries)],
        "candidate_id": names[1][rng.integers(0, work.candidates, work.queries)],
    }
    events = batches(columns, min(_TUTORIAL_BATCH, work.queries))
    model.evaluate(events, verbose=0)
    start = time.perf_counter()
    model.evaluate(events, verbose=0)
    return time.perf_counter() - start


SIDES = {
    "ours": ours,
    "ours, by query": ours_by_query,
    "matmul + top-k, numpy": bare_numpy,
    "matmul + top-k, TensorFlow": bare_tensorflow,
    "FactorizedTopK": factorized_top_k,
}


def main(workload: str, output: str) -> None:
    """Times one side and writes its seconds as JSON."""
    import models  # noqa: F401 - chooses Keras 2 before TensorFlow is imported

    work = Workload(**json.loads(workload))
    Path(output).write_text(json.dumps({"seconds": SIDES[work.side](work)}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
