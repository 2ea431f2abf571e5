"""Times the evaluation, or what it is compared with, on synthetic embeddings, in a process of its own."""

import time
from collections.abc import Callable

import numpy as np

import models  # noqa: F401  # chooses Keras 2 before TensorFlow is imported
from benchmarks.harness.processes import answer
from benchmarks.training.tasks import RankingSide, RankingTask, RankingTime
from models.ranking.metrics import coverage, popularity_bias, query_metrics
from models.ranking.ranking import CandidateLists, EmbeddingScorer, rank_candidates

CUTOFFS = (1, 5, 10, 20, 50, 100)
_EXCLUDED = 50
_BLOCK_SCORES = 8_000_000
_TUTORIAL_BATCH = 4096
_ML_100K_QUERIES = 943
_EVENTS_PER_HELD = 5  # the tutorial holds out 20,000 of 100,000 events


def ours(task: RankingTask) -> float:
    """Exact ranks and all metrics at all cut-offs, each query with one relevant candidate and 50 excluded ones."""
    rng = np.random.default_rng(4)
    drawn = np.sort(rng.integers(0, task.candidates - 1, (task.queries, _EXCLUDED)).astype(np.int32), axis=1)
    excluded = CandidateLists(np.arange(task.queries + 1) * _EXCLUDED, drawn.ravel())
    # The candidate after the first excluded one, or the last candidate, which no query excludes.
    free = np.where(np.diff(drawn[:, :2]).ravel() > 1, drawn[:, 0] + 1, task.candidates - 1)
    return _ranked(task, CandidateLists(np.arange(task.queries + 1), free), excluded)


def ours_by_query(task: RankingTask) -> float:
    """The same for as many events of MovieLens 100k's queries; each query is ranked once for all of its events."""
    rng = np.random.default_rng(5)
    pairs = rng.choice(_ML_100K_QUERIES * task.candidates, _EVENTS_PER_HELD * task.queries, replace=False)
    relevant, excluded = np.sort(pairs[: task.queries]), np.sort(pairs[task.queries :])
    asked = np.unique(relevant // task.candidates)
    excluded = excluded[np.isin(excluded // task.candidates, asked)]
    task = task.model_copy(update={"queries": len(asked)})
    return _ranked(task, *(_lists(side, asked, task.candidates) for side in (relevant, excluded)))


def _embeddings(task: RankingTask) -> tuple[np.ndarray, np.ndarray]:
    """Of queries and candidates, float32."""
    rng = np.random.default_rng(3)
    shapes = (task.queries, task.dim), (task.candidates, task.dim)
    return rng.standard_normal(shapes[0], np.float32), rng.standard_normal(shapes[1], np.float32)


def _lists(pairs: np.ndarray, asked: np.ndarray, candidates: int) -> CandidateLists:
    offsets = np.searchsorted(pairs, np.append(asked, asked[-1] + 1) * candidates)
    return CandidateLists(offsets, (pairs % candidates).astype(np.int32))


def _ranked(task: RankingTask, relevant: CandidateLists, excluded: CandidateLists) -> float:
    queries, candidates = _embeddings(task)
    popularity = np.random.default_rng(6).integers(1, 1000, task.candidates)
    start = time.perf_counter()
    scorer = EmbeddingScorer(queries, candidates)
    ranking = rank_candidates(scorer, relevant=relevant, excluded=excluded, depth=max(CUTOFFS))
    query_metrics(ranking.ranks, relevant.offsets, CUTOFFS)
    coverage(ranking.top, task.candidates, CUTOFFS)
    popularity_bias(ranking.top, (excluded.offsets, excluded.rows), popularity, CUTOFFS)
    return time.perf_counter() - start


def bare_numpy(task: RankingTask) -> float:
    """Blocked product and the best 100, sorted, in numpy."""
    queries, candidates = _embeddings(task)
    k, block = max(CUTOFFS), max(1, _BLOCK_SCORES // task.candidates)
    start = time.perf_counter()
    for first in range(0, task.queries, block):
        scores = queries[first : first + block] @ candidates.T
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return time.perf_counter() - start


def bare_tensorflow(task: RankingTask) -> float:
    """Blocked product and the best 100, sorted, in TensorFlow."""
    import tensorflow as tf

    queries, candidates = (tf.constant(side) for side in _embeddings(task))
    k, block = max(CUTOFFS), max(1, _BLOCK_SCORES // task.candidates)

    @tf.function(reduce_retracing=True)
    def best(part: tf.Tensor) -> tf.Tensor:
        return tf.math.top_k(tf.matmul(part, candidates, transpose_b=True), k).indices

    best(queries[:block])
    start = time.perf_counter()
    for first in range(0, task.queries, block):
        best(queries[first : first + block]).numpy()
    return time.perf_counter() - start


def factorized_top_k(task: RankingTask) -> float:
    """`evaluate` of the tutorial: catalogue streamed in batches of 128, recall at five cut-offs, nothing removed."""
    from benchmarks.training.tutorial import Tutorial, batches, compiled

    rng = np.random.default_rng(5)
    names = [np.arange(size).astype(np.bytes_) for size in (_ML_100K_QUERIES, task.candidates)]
    model = compiled(Tutorial(names[0], names[1], dim=task.dim, dense=False, metrics=True))
    columns = {
        "query_id": names[0][rng.integers(0, _ML_100K_QUERIES, task.queries)],
        "candidate_id": names[1][rng.integers(0, task.candidates, task.queries)],
    }
    events = batches(columns, min(_TUTORIAL_BATCH, task.queries))
    model.evaluate(events, verbose=0)
    start = time.perf_counter()
    model.evaluate(events, verbose=0)
    return time.perf_counter() - start


SIDES: dict[RankingSide, Callable[[RankingTask], float]] = {
    "ours": ours,
    "ours, by query": ours_by_query,
    "matmul + top-k, numpy": bare_numpy,
    "matmul + top-k, TensorFlow": bare_tensorflow,
    "FactorizedTopK": factorized_top_k,
}


def time_ranking(task: RankingTask) -> RankingTime:
    """Times one side."""
    return RankingTime(seconds=SIDES[task.side](task))


if __name__ == "__main__":
    answer(RankingTask, time_ranking)
