"""The metrics of one ranker on one task, with confidence intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.base import ExecutionContext
from dataplane.dataset.retrieval_task import RetrievalTask
from dataplane.dataset.sequences import Dataset
from models.ranking.metrics import coverage, mean_metrics, paired_interval, popularity_bias, query_metrics
from models.ranking.ranking import Scorer, rank_candidates

if TYPE_CHECKING:
    from components.evaluator.params import EvaluationConfig

RESAMPLES = 1000
LEVEL = 0.95

Intervals = dict[str, tuple[float, float]]
"""Lower and upper bound by metric."""


@dataclass(frozen=True)
class Measured:
    """A scorer's metrics on one task.

    Attributes:
        values: metrics of each query.
        metrics: their means, and the metrics of the lists as a whole.
        ranks: rank of every relevant pair of the task.
        top: the first `main_at` candidates of each query, see `Ranking.top`.
    """

    values: Mapping[str, np.ndarray]
    metrics: Mapping[str, float]
    ranks: np.ndarray
    top: np.ndarray


def measure(
    scorer: Scorer, task: RetrievalTask, dataset: Dataset, config: "EvaluationConfig", progress: Callable[[int], None]
) -> Measured:
    """Ranks the catalogue for the queries of a task and measures the rankings.

    Args:
        scorer: of the queries of the task.
        task: what is to be found.
        dataset: has the size of the catalogue and the popularity of its candidates.
        config: the cut-offs.
        progress: told the number of queries done.
    """
    ranking = rank_candidates(
        scorer, relevant=task.relevant, excluded=task.excluded, depth=max(config.at), progress=progress
    )
    values = query_metrics(ranking.ranks, task.relevant.offsets, config.at)
    histories = (task.seen.offsets, task.seen.rows)
    metrics = (
        mean_metrics(values)
        | coverage(ranking.top, len(dataset.candidates), config.at)
        | popularity_bias(ranking.top, histories, dataset.train_count, config.at)
    )
    return Measured(values, metrics, ranking.ranks, ranking.top[:, : config.main_at].copy())


def progress_reporter(context: ExecutionContext, what: str) -> Callable[[int], None]:
    """Reports how many queries are ranked."""
    return lambda done: context.progress(f"{what}, {done} queries ranked")


def intervals_of(columns: Sequence[Mapping[str, np.ndarray]], names: Sequence[str], *, seed: int) -> list[Intervals]:
    """Bootstrap intervals of the named metrics that queries have values of, from the same resamples in all columns.

    Args:
        columns: values of each query by metric, or differences of two rankers.
        names: the metrics; those without values, such as coverage, are left out.
        seed: of the resampling.
    """
    known = [name for name in names if name in columns[0]]
    if not known:
        return [{} for _ in columns]
    values = np.stack([of_queries[name] for of_queries in columns for name in known], axis=1)
    bounds = paired_interval(values, seed=seed, resamples=RESAMPLES, level=LEVEL)
    chunks = [bounds[start : start + len(known)] for start in range(0, len(bounds), len(known))]
    return [dict(zip(known, chunk, strict=True)) for chunk in chunks]


def differences(ours: Measured, theirs: Measured) -> dict[str, np.ndarray]:
    """What each query has more by the one ranker than by the other."""
    return {name: values - theirs.values[name] for name, values in ours.values.items()}
