"""Executor of the Evaluator: measures a model and its baselines on one dataset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.base import ExecutionContext
from components.evaluator.answers import describe_answers
from components.evaluator.baselines import measure_baselines
from components.evaluator.measuring import Measured, intervals, measure, progress_reporter
from components.evaluator.protocol import protocol
from components.evaluator.served_comparison import ServedComparison
from components.evaluator.slices import slices
from dataplane.artifacts import Evaluation, Examples, Model, TransformedExamples, TransformGraph
from dataplane.artifacts.evaluation import Metrics, NotCompared, ServedMetrics, Skipped
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.transform_graph import read_spec
from dataplane.dataset.embedding import candidate_embeddings, embed_queries, first_contexts, query_columns
from dataplane.dataset.held_out import held_out
from dataplane.dataset.retrieval_task import RetrievalTask, retrieval_task
from dataplane.dataset.sequences import Dataset, Split, read_dataset
from dataplane.errors import DataError
from models.ranking.collapse import check_finite, collapse
from models.ranking.ranking import EmbeddingScorer
from models.spec.features import EncodedSpec
from serving.model.stored_queries import missing_contexts

if TYPE_CHECKING:
    from components.evaluator.params import EvaluationConfig, EvaluatorParams
    from serving.published.published_versions import PublishedVersions

_MEASURED: tuple[Split, ...] = ("validation", "test")


@dataclass(frozen=True)
class _Subject:
    """A model and the data that it is measured on.

    Attributes:
        model: the towers.
        graph: vocabularies, and the encoding of missing context features.
        dataset: the encoded data.
        spec: the encoded columns.
        tasks: retrieval task of each split.
        candidates: embeddings of the whole catalogue, float32 `[candidates, dim]`.
        params: parameters of the Evaluator.
        context: receives progress.
    """

    model: Model
    graph: TransformGraph
    dataset: Dataset
    spec: EncodedSpec
    tasks: Mapping[Split, RetrievalTask]
    candidates: np.ndarray
    params: "EvaluatorParams"
    context: ExecutionContext

    @cached_property
    def training(self) -> TrainingReport:
        """How the model was made."""
        return TrainingReport.read(self.model)

    @property
    def config(self) -> "EvaluationConfig":
        """Metrics and gates."""
        return self.params.evaluation


@dataclass(frozen=True)
class _Found:
    """Results of the model.

    Attributes:
        of_split: metrics of each measured split. A model that was made of the validation events, too, is measured on
            the test alone.
        collapsed: how the embeddings are all alike; empty if they differ.
    """

    of_split: Mapping[Split, Measured]
    collapsed: str


def evaluate(
    *,
    transformed_examples: TransformedExamples,
    transform_graph: TransformGraph,
    model: Model,
    examples: Examples | None,
    params: "EvaluatorParams",
    published: "PublishedVersions | None",
    evaluation: Evaluation,
    context: ExecutionContext,
) -> Metrics:
    """Measures the model and its baselines, and writes `per_query.parquet` and `answers.json` into `evaluation`.

    Raises:
        DataError: no query has a relevant candidate in the test split.
        NotFiniteError: embeddings or scores are not finite.
        RunError: the directory of the served model cannot be read.
    """
    subject = _opened(transformed_examples, transform_graph, model, params, context)
    found = _measure_model(subject)
    baselines = measure_baselines(subject.tasks["test"], subject.dataset, subject.config, context)
    measured = {name: result for name, result in baselines.items() if isinstance(result, Measured)}
    _write_per_query(evaluation, subject, {"": found.of_split["test"], **measured})
    _write_answers(evaluation, subject, found.of_split["test"])
    compared = None
    if subject.config.compares_with_served:
        compared = _compare_with_served(subject, found, published, examples)
    metrics = _metrics(subject, found, baselines, measured)
    optional = {"collapsed": found.collapsed, "published": compared}
    return metrics.model_copy(update={name: value for name, value in optional.items() if value})


def _opened(
    transformed_examples: TransformedExamples,
    graph: TransformGraph,
    model: Model,
    params: "EvaluatorParams",
    context: ExecutionContext,
) -> _Subject:
    """Opens the data and embeds the catalogue.

    Raises:
        DataError: no query has a relevant candidate in the test split.
    """
    dataset = read_dataset(transformed_examples)
    tasks = {split: retrieval_task(dataset, split, remove_seen=params.remove_seen) for split in _MEASURED}
    _check_measurable(tasks["test"])
    context.progress("embedding candidates")
    candidates = candidate_embeddings(model, dataset, context)
    return _Subject(model, graph, dataset, read_spec(graph), tasks, candidates, params, context)


def _check_measurable(task: RetrievalTask) -> None:
    if not len(task.query_rows):
        counts = ", ".join(f"{name} {count}" for name, count in task.counts.items() if count)
        raise DataError(
            "no query has a relevant candidate among its test events, so the model cannot be measured "
            f"({counts or 'no events'}). Hold out more events (`split`), or set `remove_seen: false` if queries choose "
            "the same candidates repeatedly."
        )


def _measure_model(subject: _Subject) -> _Found:
    """Measures the model on each split that has a relevant candidate.

    Raises:
        NotFiniteError: embeddings or scores are not finite.
    """
    of_split: dict[Split, Measured] = {}
    collapsed = ""
    for split, task in subject.tasks.items():
        if not len(task.query_rows) or (split == "validation" and subject.training.refitted):
            continue
        inputs = _query_inputs(subject.dataset, subject.spec, task, first_contexts(task.held_out, task.query_rows))
        queries = embed_queries(subject.model, inputs, subject.context)
        check_finite(queries, subject.candidates, name=_naming(subject.dataset, task))
        if split == "test":
            columns = subject.dataset.candidates.columns
            collapsed = collapse(queries, subject.candidates, query_inputs=inputs, candidate_inputs=columns)
        report = progress_reporter(subject.context, f"{split}: two-tower", task)
        scorer = EmbeddingScorer(queries, subject.candidates)
        of_split[split] = measure(scorer, task, subject.dataset, subject.config, report)
    return _Found(of_split, collapsed)


def _compare_with_served(
    subject: _Subject, found: _Found, published: "PublishedVersions | None", examples: Examples | None
) -> ServedMetrics | NotCompared:
    """Compares the new model with the served one, both without context features."""
    task, context = subject.tasks["test"], subject.context

    def without_context() -> Measured:
        if not subject.spec.features.context:
            return found.of_split["test"]
        contexts = missing_contexts(subject.graph, subject.spec, len(task.query_rows))
        scorer = two_tower_scorer(
            subject.model, subject.dataset, subject.spec, task, subject.candidates, contexts, context
        )
        report = progress_reporter(context, "test: without context", task)
        return measure(scorer, task, subject.dataset, subject.config, report)

    comparison = ServedComparison(subject.model, examples, subject.params, published, subject.dataset, task, context)
    return comparison.run(without_context)


def _before_refit(subject: _Subject, test: Measured) -> Mapping[str, float]:
    """The validation metrics of a model before it was made of the validation events, too; otherwise none."""
    found = subject.training.validation if subject.training.refitted else {}
    return {name: value for name, value in found.items() if name in test.metrics}


def _metrics(
    subject: _Subject, found: _Found, baselines: Mapping[str, Measured | str], measured: Mapping[str, Measured]
) -> Metrics:
    test, validation = found.of_split["test"], found.of_split.get("validation")
    dataset, config, params = subject.dataset, subject.config, subject.params
    return Metrics(
        test=test.metrics,
        validation=_before_refit(subject, test) if validation is None else validation.metrics,
        baselines={n: Skipped(skipped=it) if isinstance(it, str) else it.metrics for n, it in baselines.items()},
        intervals=intervals(test, measured, config, params.seed),
        slices=slices(
            test.values,
            test.ranks,
            subject.tasks["test"],
            dataset,
            subject.graph,
            metrics=config.main_metrics(),
            features=config.slices,
        ),
        not_measured={split: held_out(dataset, split, remove_seen=params.remove_seen) for split in _MEASURED},
        protocol=protocol(subject.tasks, dataset, subject.spec, params, found.of_split),
    )


def two_tower_scorer(
    model: Model,
    dataset: Dataset,
    spec: EncodedSpec,
    task: RetrievalTask,
    candidates: np.ndarray,
    contexts: Mapping[str, np.ndarray],
    context: ExecutionContext,
) -> EmbeddingScorer:
    """Embeds the queries of a task and makes their scorer.

    Args:
        model: the towers.
        dataset: the encoded entities.
        spec: the encoded columns.
        task: queries and their histories.
        candidates: embeddings of the whole catalogue, float32 `[candidates, dim]`.
        contexts: encoded context columns of the queries.
        context: receives progress.

    Raises:
        NotFiniteError: an embedding is not finite.
    """
    queries = embed_queries(model, _query_inputs(dataset, spec, task, contexts), context)
    check_finite(queries, candidates, name=_naming(dataset, task))
    return EmbeddingScorer(queries, candidates)


def _naming(dataset: Dataset, task: RetrievalTask) -> Callable[[str, int], str]:
    def name(side: str, row: int) -> str:
        found = dataset.candidates.ids[row] if side == "candidate" else dataset.queries.ids[int(task.query_rows[row])]
        return f"that of {side} '{found.as_py()}'"

    return name


def _query_inputs(
    dataset: Dataset, spec: EncodedSpec, task: RetrievalTask, contexts: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Inputs of the query tower for the queries of a task."""
    return query_columns(
        dataset,
        query_rows=task.query_rows,
        history=task.history,
        history_length=spec.features.history.max_length if spec.features.history else None,
        contexts=contexts,
    )


def _write_per_query(evaluation: Evaluation, subject: _Subject, measured: Mapping[str, Measured]) -> None:
    rows = subject.tasks["test"].query_rows
    columns = {"query_id": subject.dataset.queries.ids.take(pa.array(rows))}
    for ranker, result in measured.items():
        for name in subject.config.main_metrics():
            values = result.values[name].astype(np.float32)
            columns[f"{ranker}.{name}" if ranker else name] = pa.array(values)
    evaluation.path.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), evaluation.path / "per_query.parquet")


def _write_answers(evaluation: Evaluation, subject: _Subject, measured: Measured) -> None:
    depth, seed = max(subject.config.at), subject.params.seed
    answers = describe_answers(
        measured, subject.tasks["test"], subject.dataset, subject.candidates, depth=depth, seed=seed
    )
    answers.write(evaluation)
