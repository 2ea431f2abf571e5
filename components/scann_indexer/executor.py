"""Executor of ScannIndexer: opens and embeds the data, chooses an index and measures it. `exporting` saves it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.base import ExecutionContext
from components.scann_indexer.index_tuning import Tuned, Tuner, latency_ms
from components.scann_indexer.query_index import QueryIndex, build_query_index
from dataplane.artifacts import Catalogue, Model, TransformedExamples, TransformGraph
from dataplane.artifacts.serving_model import Chosen, IndexReport, Target, TuningReport
from dataplane.dataset.embedding import candidate_embeddings, embed_queries
from dataplane.dataset.sequences import Dataset, read_dataset
from dataplane.errors import DataError, RefusedError
from models.ranking.collapse import collapse
from models.retrieval.index import ExactSearch, non_finite_rows
from models.retrieval.index_recall import RecallMeter
from serving.model.identities import part_digest
from serving.model.served_catalogue import ServedCatalogue
from serving.model.stored_queries import stored_query_columns, stored_query_embeddings

if TYPE_CHECKING:
    from components.scann_indexer.params import ScannIndexerParams

EXPECTED_QUERIES = 64
"""Most stored queries whose expected answers are written."""


@dataclass(frozen=True)
class Subject:
    """The data to index, the model and the settings.

    Attributes:
        dataset: the stored queries and their events.
        catalogue: the candidates.
        graph: the preprocessing.
        model: the towers.
        digests: digest of each of `preprocessing` and `towers`.
        params: parameters of ScannIndexer.
        context: receives progress.
    """

    dataset: Dataset
    catalogue: ServedCatalogue
    graph: TransformGraph
    model: Model
    digests: Mapping[str, str]
    params: "ScannIndexerParams"
    context: ExecutionContext

    @property
    def ids(self) -> pa.Array:
        """Ids of the candidates."""
        return self.catalogue.candidates.ids

    @property
    def top_k(self) -> int:
        """Number of answers to a request."""
        return min(self.params.top_k, len(self.ids))


@dataclass(frozen=True)
class Embedded:
    """The catalogue and a sample of the stored queries, embedded.

    Attributes:
        exact: exact search, which holds the embeddings of the candidates.
        queries: embeddings of the first stored queries, float32 `[queries, dim]`.
    """

    exact: ExactSearch
    queries: np.ndarray

    @property
    def judging(self) -> np.ndarray:
        """Queries that measure the chosen index, `[queries, dim]`."""
        return self.queries[: (len(self.queries) + 1) // 2]

    @property
    def tuning(self) -> np.ndarray:
        """Queries that choose the settings, `[queries, dim]`; other than `judging` unless there is only one query."""
        return self.queries[len(self.judging) :] if len(self.queries) > 1 else self.queries


@dataclass(frozen=True)
class ChosenIndex:
    """Index of the candidates and, if configured, of the stored queries.

    Attributes:
        tuned: index of the candidates.
        build_seconds: seconds spent on choosing and building it.
        query_index: index of the stored queries; None if they are not indexed.
    """

    tuned: Tuned
    build_seconds: float
    query_index: QueryIndex | None


def open_subject(
    transformed_examples: TransformedExamples,
    transform_graph: TransformGraph,
    model: Model,
    catalogue: Catalogue | None,
    params: "ScannIndexerParams",
    context: ExecutionContext,
) -> Subject:
    """Opens the data; `catalogue` replaces the candidates of the data.

    Raises:
        DataError: there is no candidate.
        RefusedError: preprocessing or towers differ from those of the model whose index `catalogue` refreshes.
    """
    dataset = read_dataset(transformed_examples)
    digests = {
        "preprocessing": part_digest(transform_graph.path / "saved_model"),
        "towers": part_digest(model.path / "towers"),
    }
    served = ServedCatalogue.of(dataset, catalogue)
    subject = Subject(dataset, served, transform_graph, model, digests, params, context)
    _refuse_other_model(subject)
    if len(subject.ids) == 0:
        raise DataError("there is no candidate to index")
    return subject


def embed(subject: Subject) -> Embedded:
    """Embeds the catalogue, and stored queries that choose and measure the index.

    Raises:
        DataError: an embedding is not finite.
        RefusedError: the embeddings are all alike.
    """
    exact = ExactSearch(_candidate_embeddings(subject))  # the search holds the only copy of the embeddings
    # Queries are stored in hash order, so any part of them is a random sample.
    half = max(subject.params.index.sample_queries, EXPECTED_QUERIES)
    rows = np.arange(min(2 * half, len(subject.dataset.queries)))
    subject.context.progress(f"embedding {len(rows):,} queries")
    inputs = stored_query_columns(subject.graph, subject.dataset, query_rows=rows)
    queries = embed_queries(subject.model, inputs, subject.context)
    _refuse_non_finite(queries, subject.dataset.queries.ids, "query")
    _refuse_collapsed(subject, queries, exact.matrix, inputs)
    return Embedded(exact, queries)


def choose(subject: Subject, embedded: Embedded) -> ChosenIndex:
    """Builds the indexes, with the cheapest settings that reach the recall target.

    Raises:
        DataError: an embedding of a stored query is not finite.
        RefusedError: the index over the stored queries does not reach the target.
    """
    began = time.monotonic()
    tuned = Tuner(
        subject.params.index,
        embedded.exact,
        embedded.tuning,
        answers=subject.top_k,
        other_queries=len(embedded.judging),
        progress=subject.context.progress,
    ).tune()
    seconds = time.monotonic() - began
    return ChosenIndex(tuned, round(seconds, 3), _index_queries(subject) if subject.params.index.queries else None)


def measure(subject: Subject, embedded: Embedded, chosen: ChosenIndex) -> IndexReport:
    """Measures the chosen index on queries that had no part in the choice."""
    queries, answers, config = embedded.judging, subject.top_k, subject.params.index
    subject.context.progress(f"measuring recall on {len(queries):,} other queries")
    k = min(config.recall_target.k, answers)
    meter = RecallMeter(embedded.exact, queries, tuple(sorted({min(10, answers), k, answers})), asked=answers)
    tuned, settings = chosen.tuned, chosen.tuned.search.settings
    with tuned.search.asked() as search:
        recall, latency = meter.recall(search), latency_ms(search, queries, count=answers)
    return IndexReport(
        candidates=len(subject.ids),
        dimension=embedded.exact.dimension,
        search="brute_force" if settings is None else "tree",
        settings=settings,
        top_k=answers,
        target=Target(k=k, recall=config.recall_target.recall, reached=float(recall[k].mean())),
        recall={f"recall@{count}": round(float(found.mean()), 6) for count, found in recall.items()},
        queries=len(queries),
        build_seconds=chosen.build_seconds,
        latency_ms={
            "scann": latency,
            "exact": latency_ms(tf.function(embedded.exact.search, autograph=False), queries, count=answers),
        },
        tuning=TuningReport(
            queries=len(embedded.tuning),
            chosen=Chosen(**tuned.point.facts()),
            builds=tuple(tuned.builds),
            curve=tuple(tuned.curve),
        ),
        query_index=chosen.query_index and chosen.query_index.report,
    )


def _candidate_embeddings(subject: Subject) -> np.ndarray:
    subject.context.progress(f"embedding {len(subject.ids):,} candidates")
    served = replace(subject.dataset, candidates=subject.catalogue.candidates)
    embeddings = candidate_embeddings(subject.model, served, subject.context)
    _refuse_non_finite(embeddings, subject.ids, "candidate")
    return embeddings


def _index_queries(subject: Subject) -> QueryIndex:
    ids, context = subject.dataset.queries.ids, subject.context
    context.progress(f"indexing {len(ids):,} queries")
    embeddings = stored_query_embeddings(
        subject.model, subject.graph, subject.dataset, context, query_rows=np.arange(len(ids))
    )
    _refuse_non_finite(embeddings, ids, "query")
    return build_query_index(ids, embeddings, subject.params.index, answers=subject.top_k, progress=context.progress)


def _refuse_other_model(subject: Subject) -> None:
    for part, digest in subject.digests.items():
        wanted = (subject.catalogue.refresh_of or subject.digests).get(part)
        if digest != wanted:
            where = subject.graph.path if part == "preprocessing" else subject.model.path
            raise RefusedError(
                f"the {part} in {where} has digest {digest}, but the published model has {wanted}: the files have "
                "changed; run the pipeline again"
            )


def _refuse_collapsed(
    subject: Subject, queries: np.ndarray, candidates: np.ndarray, inputs: Mapping[str, np.ndarray]
) -> None:
    """Refuses equal embeddings, as the Evaluator has not seen a model fitted to all events, or a new catalogue."""
    columns = subject.catalogue.candidates.columns
    problem = collapse(queries, candidates, query_inputs=inputs, candidate_inputs=columns)
    if problem:
        raise RefusedError(
            f"the model is useless and is not indexed: {problem}; the training diverged (lower the learning "
            "rate), or a tower is dead"
        )


def _refuse_non_finite(embeddings: np.ndarray, ids: pa.Array, side: str) -> None:
    bad = non_finite_rows(embeddings)
    if len(bad):
        first = ids[int(bad[0])].as_py()
        raise DataError(
            f"{len(bad)} of {len(embeddings)} {side} embeddings hold NaN or infinite values, the first is that of "
            f"{side} '{first}'; the training diverged (lower the learning rate) or a feature is out of range"
        )
