"""Measuring a model and its baselines on one dataset: the work of the Evaluator."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.base import ExecutionContext
from components.evaluator.measuring import (
    LEVEL,
    RESAMPLES,
    Measured,
    differences,
    intervals_of,
    measure,
    progress_reporter,
)
from components.evaluator.served_comparison import ServedComparison
from components.evaluator.slices import slices
from dataplane.artifacts import Evaluation, Examples, Model, TransformedExamples, TransformGraph
from dataplane.dataset.embedding import candidate_embeddings, embed_queries, first_contexts, query_columns
from dataplane.dataset.held_out import held_out
from dataplane.dataset.retrieval_task import RetrievalTask, held_out_before_seen, retrieval_task, seen_splits
from dataplane.dataset.sequences import Dataset, Events, Split, read_dataset
from dataplane.errors import DataError
from models.ranking.baselines import ItemKnnScorer, PopularityScorer, co_occurrences, item_similarities
from models.ranking.collapse import check_finite, collapse
from models.ranking.ranking import CandidateLists, EmbeddingScorer, Scorer
from models.spec.features import EncodedSpec
from serving.model.stored_queries import missing_contexts

if TYPE_CHECKING:
    from components.evaluator.params import EvaluationConfig, EvaluatorParams
    from serving.published.published_versions import PublishedVersions

MAX_CO_OCCURRENCES = 500_000_000
"""Above this many pairs of events of one query, about half a minute, item-kNN is skipped."""

_MEASURED: tuple[Split, ...] = ("validation", "test")

_DEFINITIONS = {
    "ranking": "every candidate of the catalogue is ranked for every query, by exact scores",
    "ties": "against the model: equal irrelevant candidates rank before a relevant one",
    "history": "frozen at the cut: all held-out events of a query are predicted from its seen events",
    "relevant": "distinct candidates of the query's held-out events; without remove_seen also those seen before",
    "context": "of the query's first held-out event",
    "mean": "over queries with a relevant candidate",
    "recall": "hits / number of relevant candidates",
    "hit_rate": "1 if any relevant candidate is among the first k",
    "ndcg": "binary gains, 1 / log2(1 + rank); the ideal has min(k, relevant) hits",
    "mrr": "1 / rank of the first hit, 0 beyond k",
    "map": "precision at each hit, summed, / min(k, relevant)",
    "coverage": "share of the catalogue among the first k of any query",
    "popularity_bias": "training events of the first k, mean over queries, relative to those of the queries' histories",
    "candidate slices": "per pair of query and relevant candidate instead of per query",
}


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
) -> dict[str, Any]:
    """Content of `metrics.json`; also writes `per_query.parquet` into `evaluation`.

    Raises:
        DataError: there is nothing to measure on.
        NotFiniteError: embeddings or scores are not numbers.
        RunError: the directory of the model in service cannot be read.
    """
    config, dataset = params.evaluation, read_dataset(transformed_examples)
    spec = EncodedSpec.model_validate(transform_graph.read_json("spec.json"))
    tasks = {split: retrieval_task(dataset, split, remove_seen=params.remove_seen) for split in _MEASURED}
    _check_measurable(tasks["test"])
    context.progress("embedding candidates")
    candidates = candidate_embeddings(model, dataset, context)
    model_on: dict[Split, Measured] = {}
    collapsed = ""
    for split, task in tasks.items():
        if len(task.query_rows):
            asked = _asked(dataset, spec, task, first_contexts(task.held_out, task.query_rows))
            queries = embed_queries(model, asked, context)
            check_finite(queries, candidates, name=_naming(dataset, task))
            if split == "test":
                columns = dataset.candidates.columns
                collapsed = collapse(queries, candidates, query_inputs=asked, candidate_inputs=columns)
            scorer = EmbeddingScorer(queries, candidates)
            model_on[split] = measure(scorer, task, dataset, config, progress_reporter(context, f"{split}: two-tower"))
    baselines = _baselines(tasks["test"], dataset, config, context)
    measured = {name: result for name, result in baselines.items() if isinstance(result, Measured)}
    _write_per_query(evaluation, dataset, tasks["test"], {"": model_on["test"], **measured}, config)
    compared = {}
    if config.min_lift_over_published:

        def without_context() -> Measured:
            if not spec.features.context:
                return model_on["test"]
            contexts = missing_contexts(transform_graph, spec, len(tasks["test"].query_rows))
            scorer = two_tower_scorer(model, dataset, spec, tasks["test"], candidates, contexts, context)
            return measure(scorer, tasks["test"], dataset, config, progress_reporter(context, "test: without context"))

        comparison = ServedComparison(model, examples, params, published, dataset, tasks["test"], context)
        compared["published"] = comparison.run(without_context)
    return (
        ({"collapsed": collapsed} if collapsed else {})
        | compared
        | {
            "test": model_on["test"].metrics,
            "validation": model_on["validation"].metrics if "validation" in model_on else {},
            "baselines": {n: {"skipped": r} if isinstance(r, str) else r.metrics for n, r in baselines.items()},
            "intervals": _intervals(model_on["test"], measured.get("popularity"), config, params.seed),
            "slices": slices(
                model_on["test"].values,
                model_on["test"].ranks,
                tasks["test"],
                dataset,
                transform_graph,
                metrics=config.main_metrics(),
                features=config.slices,
            ),
            "not_measured": {
                split: held_out(dataset, split, remove_seen=params.remove_seen).to_json() for split in _MEASURED
            },
            "protocol": _protocol(tasks, dataset, spec, params, model_on),
        }
    )


def _check_measurable(task: RetrievalTask) -> None:
    if not len(task.query_rows):
        counts = ", ".join(f"{name} {count}" for name, count in task.counts.items() if count)
        raise DataError(
            "no query has a relevant candidate among its test events, so the model cannot be measured "
            f"({counts or 'no events'}). Hold out more events (`split`), or set `remove_seen: false` if queries come "
            "back to the same candidates."
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
    """Scores of the model for the queries of a task.

    Args:
        model: the towers.
        dataset: the encoded entities.
        spec: the encoded columns.
        task: which queries are asked, and what is known of them.
        candidates: embeddings of the whole catalogue.
        contexts: encoded context columns of the queries.
        context: told what is embedded.

    Raises:
        NotFiniteError: the embeddings are not numbers.
    """
    queries = embed_queries(model, _asked(dataset, spec, task, contexts), context)
    check_finite(queries, candidates, name=_naming(dataset, task))
    return EmbeddingScorer(queries, candidates)


def _naming(dataset: Dataset, task: RetrievalTask) -> Callable[[str, int], str]:
    def name(side: str, row: int) -> str:
        found = dataset.candidates.ids[row] if side == "candidate" else dataset.queries.ids[int(task.query_rows[row])]
        return f"that of {side} '{found.as_py()}'"

    return name


def _asked(
    dataset: Dataset, spec: EncodedSpec, task: RetrievalTask, contexts: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What the query tower reads of the queries of a task."""
    return query_columns(
        dataset,
        query_rows=task.query_rows,
        history=task.history,
        history_length=spec.features.history.max_length if spec.features.history else None,
        contexts=contexts,
    )


def _baselines(
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


def _intervals(model: Measured, popularity: Measured | None, config: "EvaluationConfig", seed: int) -> dict[str, Any]:
    columns = {"test": model.values}
    if popularity is not None:
        columns["test_minus_popularity"] = differences(model, popularity)
    main, named = (
        intervals_of(list(columns.values()), names, seed=seed)
        for names in (config.main_metrics(), config.named_metrics())
    )
    found = {name: of_named | of_main for name, of_main, of_named in zip(columns, main, named, strict=True)}
    return {"level": LEVEL, "resamples": RESAMPLES, **found}


def _write_per_query(
    evaluation: Evaluation,
    dataset: Dataset,
    task: RetrievalTask,
    measured: Mapping[str, Measured],
    config: "EvaluationConfig",
) -> None:
    columns = {"query_id": dataset.queries.ids.take(pa.array(task.query_rows))}
    for ranker, result in measured.items():
        for name in config.main_metrics():
            values = result.values[name].astype(np.float32)
            columns[f"{ranker}.{name}" if ranker else name] = pa.array(values)
    evaluation.path.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), evaluation.path / "per_query.parquet")


def _protocol(
    tasks: Mapping[Split, RetrievalTask],
    dataset: Dataset,
    spec: EncodedSpec,
    params: "EvaluatorParams",
    measured: Mapping[Split, Measured],
) -> dict[str, Any]:
    of_splits: dict[str, Any] = {
        split: {**task.counts, "seen": list(seen_splits(split)), "window": _window(task.held_out)}
        for split, task in tasks.items()
    }
    every = _window(dataset.events)
    return {
        "remove_seen": params.remove_seen,
        "ordered": dataset.ordered,
        "history_length": spec.features.history.max_length if spec.features.history else None,
        "catalogue": {
            "candidates": len(dataset.candidates),
            "without_training_events": int((np.asarray(dataset.train_count) == 0).sum()),
            "date": every[1] if every else None,
        },
        **of_splits,
        "split": dataset.metadata.get("split"),
        "definitions": _DEFINITIONS,
        "notes": _notes(tasks, dataset, params, measured),
    }


def _notes(
    tasks: Mapping[Split, RetrievalTask],
    dataset: Dataset,
    params: "EvaluatorParams",
    measured: Mapping[Split, Measured],
) -> list[str]:
    notes = []
    beyond = [k for k in params.evaluation.at if k > len(dataset.candidates)]
    if beyond:
        cutoffs = ", ".join(map(str, beyond))
        notes.append(f"k = {cutoffs} is beyond the {len(dataset.candidates)} candidates and clipped to them")
    for split, task in tasks.items():
        if split not in measured:
            notes.append(f"{split}: no query has a relevant candidate, so nothing is measured on it")
            continue
        if task.counts["already_seen_dropped"]:
            dropped = task.counts["already_seen_dropped"]
            notes.append(f"{split}: {dropped} held-out candidates had been seen before and do not count (remove_seen)")
        if not any(name.startswith("popularity_bias") for name in measured[split].metrics):
            notes.append(f"{split}: no query has a history to compare popularity with, hence no popularity_bias")
        later = held_out_before_seen(dataset.events, split) if dataset.ordered else 0
        if later:
            notes.append(
                f"{split}: {later} held-out events lie before an event of their query's history, as the split is not "
                "one in time: the model is told some of what came after them"
            )
    if not dataset.ordered:
        notes.append("the data have no order: the history is the bag of seen events, cut in stored order")
    return notes


def _window(events: Events) -> list[str] | None:
    """First and last moment of events, ISO 8601."""
    if events.timestamp is None or len(events) == 0:
        return None
    moments = (int(events.timestamp.min()), int(events.timestamp.max()))
    return [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)).isoformat() for moment in moments]
