"""Measures one scorer on one task, with confidence intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.base import ExecutionContext
from dataplane.artifacts.evaluation import Intervals
from dataplane.dataset.retrieval_task import RetrievalTask
from dataplane.dataset.sequences import Dataset
from models.ranking.metrics import coverage, mean_metrics, paired_interval, popularity_bias, query_metrics
from models.ranking.ranking import Scorer, rank_candidates
from models.spec.progress import Advanced

if TYPE_CHECKING:
    from components.evaluator.params import EvaluationConfig

RESAMPLES = 1000
LEVEL = 0.95

Bounds = dict[str, tuple[float, float]]
"""Lower and upper bound of each metric."""


@dataclass(frozen=True)
class Measured:
    """Metrics of a scorer on one task.

    Attributes:
        values: values of each query by metric, float64 `[queries]`.
        metrics: means of these values, and the metrics of all lists together.
        ranks: rank of every relevant pair of the task, `[pairs]`.
        top: first `main_at` candidates of each query, `[queries, main_at]`; see `Ranking.top`.
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
        scorer: scores the queries of the task.
        task: queries and their relevant candidates.
        dataset: size of the catalogue and popularity of the candidates.
        config: cut-offs of the metrics.
        progress: called with the number of queries ranked.
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


def progress_reporter(context: ExecutionContext, what: str, task: RetrievalTask) -> Callable[[int], None]:
    """Reports what ranks the queries of a task; makes a function that reports the number of queries ranked."""
    context.progress(f"{what} ranks {len(task.query_rows):,} queries")
    return lambda done: context.progress(Advanced(done, len(task.query_rows), "queries"))


def intervals_of(columns: Sequence[Mapping[str, np.ndarray]], names: Sequence[str], *, seed: int) -> list[Bounds]:
    """Bootstrap intervals of the named metrics, from the same resamples in all columns.

    Args:
        columns: values of each query by metric, or differences of two scorers, float `[queries]`.
        names: names of the metrics; metrics without values per query, such as coverage, are left out.
        seed: seed of the resampling.
    """
    known = [name for name in names if name in columns[0]]
    if not known:
        return [{} for _ in columns]
    values = np.stack([of_queries[name] for of_queries in columns for name in known], axis=1)
    bounds = paired_interval(values, seed=seed, resamples=RESAMPLES, level=LEVEL)
    chunks = [bounds[start : start + len(known)] for start in range(0, len(bounds), len(known))]
    return [dict(zip(known, chunk, strict=True)) for chunk in chunks]


def differences(ours: Measured, theirs: Measured) -> dict[str, np.ndarray]:
    """Difference of each query's values, ours minus theirs, by metric."""
    return {name: values - theirs.values[name] for name, values in ours.values.items()}


def intervals(model: Measured, baselines: Mapping[str, Measured], config: "EvaluationConfig", seed: int) -> Intervals:
    """Intervals of the model, and of its difference from each baseline, from the same resamples."""
    columns = {"test": model.values}
    columns |= {f"test_minus_{name}": differences(model, baseline) for name, baseline in baselines.items()}
    main, named = (
        intervals_of(list(columns.values()), names, seed=seed)
        for names in (config.main_metrics(), config.named_metrics())
    )
    found = {name: of_named | of_main for name, of_main, of_named in zip(columns, main, named, strict=True)}
    return Intervals(level=LEVEL, resamples=RESAMPLES, **found)
