"""Metrics of slices of the queries, and of slices of their relevant candidates."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow.parquet as pq

from dataplane.artifacts import TransformGraph
from dataplane.artifacts.evaluation import Slices, SliceTable
from dataplane.artifacts.transform_graph import read_spec
from dataplane.dataset.embedding import first_contexts
from dataplane.dataset.retrieval_task import RetrievalTask
from dataplane.dataset.sequences import Dataset
from models.ranking.metrics import mean_metrics, query_metrics
from models.spec.features import CategoricalFeature, EncodedSpec, IdFeature, Side, TimestampFeature

_HISTORY_BINS = ((0, "0"), (1, "1-4"), (5, "5-19"), (20, "20-49"), (50, "50+"))
_SHOWN_VALUES = 30

# Offset from the token of a calendar part to its usual number; weekdays count from Monday = 1.
_CALENDAR = {"hour": -1, "weekday": 0, "month": 0, "year": 1969}


def slices(
    values: Mapping[str, np.ndarray],
    ranks: np.ndarray,
    task: RetrievalTask,
    dataset: Dataset,
    graph: TransformGraph,
    *,
    metrics: Sequence[str],
    features: Sequence[str],
) -> Slices:
    """Counts and main metrics of every slice.

    Slices of queries average over queries. Slices of candidates average over pairs of a query and a relevant candidate.
    Each pair counts as a query with one relevant candidate, at its rank among all candidates.

    Args:
        values: values of every query of the task by metric, `[queries]`.
        ranks: rank of every relevant pair of the task, `[pairs]`.
        task: queries and their relevant candidates.
        dataset: the encoded entities.
        graph: vocabularies with the names of the values.
        metrics: names of the metrics to show, all at the same k.
        features: features whose values make slices.
    """
    of_queries = {name: values[name] for name in metrics}
    cutoff = int(metrics[0].partition("@")[2])
    by_pair = query_metrics(ranks, np.arange(len(ranks) + 1), [cutoff])
    of_pairs = {name: by_pair[name] for name in metrics if not name.startswith("hit_rate")}
    spec = read_spec(graph)
    by_feature: dict[str, SliceTable] = {}
    for side, name in _encoded_columns(spec, features):
        if side == "candidate":
            named = _named_values(spec, graph, side, name, dataset.candidates.columns[name][task.relevant.rows])
            by_feature[name] = _table(of_pairs, named, unit="pairs")
        else:
            named = _named_values(spec, graph, side, name, _query_tokens(dataset, task, side, name))
            by_feature[name] = _table(of_queries, named, unit="queries")
    return Slices(
        history_length=_table(of_queries, _history_lengths(task), unit="queries"),
        query=_table(of_queries, _known(_training_events(dataset)[task.query_rows]), unit="queries"),
        candidate=_table(of_pairs, _known(dataset.train_count[task.relevant.rows]), unit="pairs"),
        features=by_feature,
    )


def _table(values: Mapping[str, np.ndarray], parts: Iterator[tuple[str, np.ndarray]], *, unit: str) -> SliceTable:
    return {label: {unit: int(chosen.sum()), **mean_metrics(values, chosen)} for label, chosen in parts if chosen.any()}


def _history_lengths(task: RetrievalTask) -> Iterator[tuple[str, np.ndarray]]:
    lengths = np.diff(task.history.offsets)[task.query_rows]
    bins = np.searchsorted([start for start, _ in _HISTORY_BINS], lengths, side="right") - 1
    for index, (_, label) in enumerate(_HISTORY_BINS):
        yield label, bins == index


def _training_events(dataset: Dataset) -> np.ndarray:
    return np.diff(dataset.events.bare().select(["train"]).offsets)


def _known(training_events: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "known", training_events > 0
    yield "new", training_events == 0


def _encoded_columns(spec: EncodedSpec, features: Sequence[str]) -> Iterator[tuple[Side, str]]:
    sides: tuple[Side, ...] = ("query", "context", "candidate")
    for feature in features:
        for side in sides:
            for name, column in spec.of(side).items():
                if column.feature == feature:
                    yield side, name


def _query_tokens(dataset: Dataset, task: RetrievalTask, side: Side, name: str) -> np.ndarray:
    if side == "context":
        return first_contexts(task.held_out, task.query_rows)[name]
    tokens: np.ndarray = dataset.queries.columns[name][task.query_rows]
    return tokens


def _named_values(
    spec: EncodedSpec, graph: TransformGraph, side: Side, name: str, tokens: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and the rows, bool `[rows]`, of each frequent value; a row with several values is in several."""
    feature = spec.features.of(side)[spec.of(side)[name].feature]
    tokens = np.asarray(tokens)
    oov_buckets = feature.oov_buckets if isinstance(feature, IdFeature | CategoricalFeature) else 0
    found, counts = np.unique(tokens[tokens > oov_buckets], return_counts=True)
    shown = found[np.argsort(-counts, kind="stable")[:_SHOWN_VALUES]]
    if isinstance(feature, IdFeature | CategoricalFeature):
        vocabulary = pq.read_table(graph.path / "vocabularies" / f"{side}.{name}.parquet", columns=["value"])["value"]
        labels = [vocabulary[int(token) - 1 - oov_buckets].as_py() for token in shown]
    elif isinstance(feature, TimestampFeature):
        labels = [str(int(token) + _CALENDAR[name.rpartition("_")[2]]) for token in shown]
    else:
        labels = [f"bucket {token}" for token in shown]
    for token, label in zip(shown, labels, strict=True):
        yield label, np.any(tokens == token, axis=1)
    yield "(other)", np.any(np.isin(tokens, np.setdiff1d(found, shown)), axis=1)
    yield "(out of vocabulary)", np.any((tokens > 0) & (tokens <= oov_buckets), axis=1)
    yield "(missing)", np.all(tokens == 0, axis=1)
