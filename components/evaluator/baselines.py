"""Measures baselines without training: popularity and item-kNN."""

from typing import TYPE_CHECKING

from components.base import ExecutionContext
from components.evaluator.measuring import Measured, measure, progress_reporter
from dataplane.dataset.retrieval_task import RetrievalTask
from dataplane.dataset.sequences import Dataset
from models.ranking.baselines import ItemKnnScorer, PopularityScorer, co_occurrences, item_similarities
from models.ranking.ranking import CandidateLists, Scorer

if TYPE_CHECKING:
    from components.evaluator.params import EvaluationConfig

MAX_CO_OCCURRENCES = 500_000_000
"""Most pairs of events of the same query for item-kNN, which take about half a minute."""


def measure_baselines(
    task: RetrievalTask, dataset: Dataset, config: "EvaluationConfig", context: ExecutionContext
) -> dict[str, Measured | str]:
    """Measures each baseline, or gives the reason to skip it."""
    found: dict[str, Measured | str] = {}
    for name in config.baselines:
        scorer, report = _baseline(name, dataset, task), progress_reporter(context, f"test: {name}", task)
        found[name] = scorer if isinstance(scorer, str) else measure(scorer, task, dataset, config, report)
    return found


def _baseline(name: str, dataset: Dataset, task: RetrievalTask) -> Scorer | str:
    """Makes the scorer of a baseline, or gives the reason to skip it."""
    if name == "popularity":
        return PopularityScorer(dataset.train_count)
    train = dataset.events.bare().select(["train"])
    interactions = CandidateLists(train.offsets, train.candidate)
    pairs = co_occurrences(interactions)
    if pairs > MAX_CO_OCCURRENCES:
        return f"it would take {pairs} pairs of events of the same query, more than the limit of {MAX_CO_OCCURRENCES}"
    return ItemKnnScorer(item_similarities(interactions, len(dataset.candidates)), task.seen)
