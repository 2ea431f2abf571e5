"""Measures the baselines: popularity, nearest neighbours, linear models and matrix factorisation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.base import ExecutionContext
from components.evaluator.measuring import Measured, measure, progress_reporter
from dataplane.dataset.retrieval_task import RetrievalTask, seen_splits
from dataplane.dataset.sequences import Dataset
from models.ranking.baselines import (
    ItemToItemScorer,
    PopularityScorer,
    co_occurrences,
    item_similarities,
    recent_counts,
)
from models.ranking.ease import ease_weights
from models.ranking.ials import fit_ials
from models.ranking.ranking import CandidateLists, EmbeddingScorer, Scorer

if TYPE_CHECKING:
    from components.evaluator.params import Baseline, EvaluationConfig

MAX_CO_OCCURRENCES = 500_000_000
"""Most pairs of events of the same query for item-kNN, which take about half a minute."""
MAX_EASE_CANDIDATES = 20_000
"""Most candidates for EASE, which inverts a matrix of this side: 3.2 GB, some minutes."""
EASE_RIDGE = 300.0
_DAY = 86_400 * 1_000_000
"""In microseconds."""


@dataclass(frozen=True)
class _Subject:
    """What a baseline may use."""

    dataset: Dataset
    task: RetrievalTask
    recent_days: float

    @property
    def interactions(self) -> CandidateLists:
        """Training candidates of each query."""
        train = self.dataset.events.bare().select(["train"])
        return CandidateLists(train.offsets, train.candidate)

    @property
    def catalogue(self) -> int:
        """Number of candidates."""
        return len(self.dataset.candidates)


def measure_baselines(
    task: RetrievalTask, dataset: Dataset, config: "EvaluationConfig", context: ExecutionContext
) -> dict[str, Measured | str]:
    """Measures each baseline, or gives the reason to skip it."""
    found: dict[str, Measured | str] = {}
    subject = _Subject(dataset, task, config.recent_days)
    for name in config.baselines:
        context.progress(f"fitting {name}")
        scorer, report = _SCORERS[name](subject), progress_reporter(context, f"test: {name}", task)
        found[name] = scorer if isinstance(scorer, str) else measure(scorer, task, dataset, config, report)
    return found


def _popularity(subject: _Subject) -> Scorer | str:
    return PopularityScorer(subject.dataset.train_count)


def _recent_popularity(subject: _Subject) -> Scorer | str:
    """Counts the last days of everything that is known when the test begins, validation events included."""
    known = subject.dataset.events.select(seen_splits("test"))
    if known.timestamp is None or not len(known):
        return "the events have no timestamps"
    window = round(subject.recent_days * _DAY)
    return PopularityScorer(recent_counts(known.candidate, known.timestamp, subject.catalogue, window=window))


def _item_knn(subject: _Subject) -> Scorer | str:
    interactions = subject.interactions
    pairs = co_occurrences(interactions)
    if pairs > MAX_CO_OCCURRENCES:
        return f"it would take {pairs} pairs of events of the same query, more than the limit of {MAX_CO_OCCURRENCES}"
    return ItemToItemScorer(item_similarities(interactions, subject.catalogue), subject.task.seen)


def _ease(subject: _Subject) -> Scorer | str:
    if subject.catalogue > MAX_EASE_CANDIDATES:
        return (
            f"it would invert a matrix of {subject.catalogue} candidates, more than the limit of {MAX_EASE_CANDIDATES}"
        )
    return ItemToItemScorer(ease_weights(subject.interactions, subject.catalogue, ridge=EASE_RIDGE), subject.task.seen)


def _ials(subject: _Subject) -> Scorer | str:
    fitted = fit_ials(subject.interactions, subject.catalogue)
    return EmbeddingScorer(fitted.fold_in(subject.task.seen), fitted.factors)


_SCORERS: Mapping["Baseline", Callable[[_Subject], Scorer | str]] = {
    "popularity": _popularity,
    "recent_popularity": _recent_popularity,
    "item_knn": _item_knn,
    "ease": _ease,
    "ials": _ials,
}
