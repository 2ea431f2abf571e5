"""What a model is compared with that needs no training: popularity, and item-kNN."""

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
"""Above this many pairs of events of one query, about half a minute, item-kNN is skipped."""


def measure_baselines(
    task: RetrievalTask, dataset: Dataset, config: "EvaluationConfig", context: ExecutionContext
) -> dict[str, Measured | str]:
    """Each baseline measured, or why it is skipped."""
    found: dict[str, Measured | str] = {}
    for name in config.baselines:
        scorer, tell = _baseline(name, dataset, task), progress_reporter(context, f"test: {name}")
        found[name] = scorer if isinstance(scorer, str) else measure(scorer, task, dataset, config, tell)
    return found


def _baseline(name: str, dataset: Dataset, task: RetrievalTask) -> Scorer | str:
    """The baseline, or why it is skipped."""
    if name == "popularity":
        return PopularityScorer(dataset.train_count)
    train = dataset.events.bare().select(["train"])
    interactions = CandidateLists(train.offsets, train.candidate)
    pairs = co_occurrences(interactions)
    if pairs > MAX_CO_OCCURRENCES:
        return f"{pairs} pairs of events of the same query are more than the {MAX_CO_OCCURRENCES} it is worth"
    return ItemKnnScorer(item_similarities(interactions, len(dataset.candidates)), task.seen)
