"""Evaluator: measures the model and its baselines exactly, and decides whether the model may be published.

    evaluation/metrics.json       see `dataplane.artifacts.evaluation`
    evaluation/answers.json       what the model recommends, see `dataplane.artifacts.answers`
    evaluation/per_query.parquet  query_id, main metrics of the model and of the baselines on the test events
    blessing/blessing.json        see `dataplane.artifacts.blessing`

A model that is not blessed does not end the run here; Pusher refuses it. Only a model that cannot tell candidates or
queries apart ends the run at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.base import Component, ExecutionContext
from components.evaluator.params import EvaluationConfig, EvaluatorParams
from dataplane.artifacts import Blessing, Evaluation, Examples, Model, TransformedExamples, TransformGraph
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.evaluation import Metrics, Skipped
from dataplane.errors import RefusedError
from dataplane.verdict import USELESS, refusal

if TYPE_CHECKING:
    from serving.published.published_versions import PublishedVersions


class Evaluator(Component["Evaluator.Inputs", "Evaluator.Outputs", EvaluatorParams]):
    """Measures the model on the validation and test events, and blesses it if it passes the gates.

    Attributes:
        published: versions of the served model, for the comparison; None for no comparison. Not part of the cache key,
            because the new model itself is the served model after it has been published.
    """

    @dataclass(frozen=True)
    class Inputs:
        """Artifacts that the Evaluator reads."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        model: Model
        examples: Examples | None = None
        """Raw features, needed for the comparison with the served model."""

    @dataclass(frozen=True)
    class Outputs:
        """Artifacts that the Evaluator writes."""

        evaluation: Evaluation
        blessing: Blessing

    def __init__(self, params: EvaluatorParams, published: "PublishedVersions | None" = None) -> None:
        super().__init__(params)
        self.published = published

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """See `Component.execute`.

        Raises:
            DataError: no test event can be measured.
            RefusedError: embeddings or scores are not finite, or all equal. The verdict is written before.
        """
        from components.evaluator.executor import evaluate
        from components.evaluator.gates import blessing, not_finite
        from models.ranking.ranking import NotFiniteError

        try:
            metrics = evaluate(
                transformed_examples=inputs.transformed_examples,
                transform_graph=inputs.transform_graph,
                model=inputs.model,
                examples=inputs.examples,
                params=self.params,
                published=self.published,
                evaluation=outputs.evaluation,
                context=context,
            )
        except NotFiniteError as error:
            verdict = not_finite(str(error))
            verdict.write(outputs.blessing)
            _refuse_useless(verdict)
            raise
        metrics.write(outputs.evaluation)
        verdict = blessing(self.params.evaluation, metrics)
        verdict.write(outputs.blessing)
        _refuse_useless(verdict)
        notes = [note for note in verdict.notes if not note.startswith("validation")]  # Trainer reports those
        return _facts(self.params.evaluation, metrics) | {"blessed": verdict.blessed, "notes": notes}

    def is_current(self, outputs: Outputs) -> bool:
        """Whether the served model is still the one of the comparison, or the evaluated model itself.

        After a final fit, the served model is never the evaluated one. Then only a refusal for being worse than the
        served model depends on which model is served.
        """
        verdict = Verdict.read(outputs.blessing)
        failed = any(check.version is not None and not check.passed for check in verdict.checks)
        compared = verdict.served
        if self.published is None or not compared.towers or (self.params.final_fit and not failed):
            return True
        newest = self.published.newest_complete()
        if newest is None:
            return not failed
        itself = (newest.identity or {}).get("towers") == compared.towers
        return newest.version == compared.version or (itself and not failed)


def _refuse_useless(verdict: Verdict) -> None:
    """Ends the run if the model is useless, so that no index is built for it."""
    if any(check.name == USELESS and not check.passed for check in verdict.checks):
        raise RefusedError("\n".join(["the model is useless and is not published:", *refusal(verdict)]))


def _facts(config: EvaluationConfig, metrics: Metrics) -> dict[str, Any]:
    facts: dict[str, Any] = {"queries": metrics.protocol.test.queries}
    for name, values in {"test": metrics.test, **metrics.baselines}.items():
        facts[name] = (
            values.model_dump()
            if isinstance(values, Skipped)
            else {metric: values[metric] for metric in config.main_metrics()}
        )
    return facts
