"""Compares the new model with the served model on the same test events."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.base import ExecutionContext
from components.evaluator.churn import churn
from components.evaluator.measuring import Measured, differences, intervals_of, measure, progress_reporter
from components.evaluator.published_model import PublishedModel
from dataplane.artifacts import Examples, Model
from dataplane.artifacts.evaluation import NotCompared, ServedMetrics
from dataplane.dataset.retrieval_task import RetrievalTask
from dataplane.dataset.sequences import Dataset
from dataplane.files.digests import shortened
from models.ranking.metrics import mean_metrics
from serving.model.identities import part_digest
from serving.model.version_digests import check_version

if TYPE_CHECKING:
    from components.evaluator.params import EvaluatorParams
    from serving.published.published_versions import PublishedVersions

_LONGEST_REASON = 200


@dataclass(frozen=True)
class ServedComparison:
    """Finds the served model and measures it.

    Attributes:
        model: the new model.
        examples: raw examples for the served model; None if there are none.
        params: parameters with the gates.
        published: versions of the served model; None for no comparison.
        dataset: the encoded data.
        task: the test events.
        context: receives progress.
    """

    model: Model
    examples: Examples | None
    params: "EvaluatorParams"
    published: "PublishedVersions | None"
    dataset: Dataset
    task: RetrievalTask
    context: ExecutionContext

    def run(self, ours: Callable[[], Measured]) -> ServedMetrics | NotCompared:
        """Makes section `published` of `metrics.json`: metrics of both models, or the reason for no comparison.

        Args:
            ours: measures the new model without context features; called only if a served model was measured.

        Raises:
            RunError: the directory of the published models cannot be read.
        """
        if self.published is None or self.examples is None:
            return NotCompared(skipped="there is no directory of published models, or there are no raw examples")
        newest, towers = self.published.newest(), part_digest(self.model.path / "towers")
        if newest is None:
            return NotCompared(version=None, towers=towers, skipped="nothing has been published yet")
        self.context.progress(f"embedding with version {newest.version}")
        try:
            directory = self.published.fetch(newest.version)[0]
            theirs = self._unusable(directory, towers) or self._against(directory, newest.version, towers, ours)
        except Exception as error:  # a damaged or foreign served model must not prevent a new one
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:_LONGEST_REASON]
            theirs = f"served version {newest.version} cannot be measured: {reason}"
        if isinstance(theirs, str):
            return NotCompared(version=newest.version, towers=towers, skipped=theirs)
        return theirs

    @staticmethod
    def _unusable(directory: Path, towers: str) -> str:
        """Why the served model is not asked; "" if it is."""
        if damage := check_version(directory):
            return f"it is damaged: {shortened(damage)}"
        same = PublishedModel.read(directory).description.identity.get("towers") == towers
        return "the served model is this model" if same else ""

    def _against(
        self, directory: Path, version: int, towers: str, ours: Callable[[], Measured]
    ) -> ServedMetrics | NotCompared:
        published = PublishedModel.read(directory)
        usable, reason = published.comparable(self.task, self.dataset)
        if reason and self.params.evaluation.max_churn is None:
            return NotCompared(version=version, towers=towers, skipped=reason)
        theirs, own = self._measured(published, version), ours()
        kept = churn(own.top, theirs.top, seed=self.params.seed)
        if reason:  # answers can be compared although metrics cannot
            return NotCompared(version=version, towers=towers, skipped=reason, churn=kept)
        return self._beside(version, towers, theirs, usable, own).model_copy(update={"churn": kept})

    def _measured(self, published: PublishedModel, version: int) -> Measured:
        assert self.examples is not None
        scorer = published.scorer(self.examples, self.dataset, self.task)
        report = progress_reporter(self.context, f"test: version {version}", self.task)
        return measure(scorer, self.task, self.dataset, self.params.evaluation, report)

    def _beside(self, version: int, towers: str, theirs: Measured, usable: np.ndarray, ours: Measured) -> ServedMetrics:
        config = self.params.evaluation
        means = {
            who: mean_metrics({name: values[usable] for name, values in result.values.items()})
            for who, result in (("test", theirs), ("model", ours))
        }
        lead = {name: values[usable] for name, values in differences(ours, theirs).items()}
        names = dict.fromkeys((*config.main_metrics(), *config.named_metrics()))
        (intervals,) = intervals_of([lead], list(names), seed=self.params.seed)
        return ServedMetrics(version=version, towers=towers, queries=int(usable.sum()), **means, intervals=intervals)
