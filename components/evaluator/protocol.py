"""Describes for the reader of `metrics.json` how a model was measured."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from components.evaluator.measuring import Measured
from dataplane.artifacts.evaluation import CatalogueFacts, Protocol, SplitFacts
from dataplane.dataset.retrieval_task import RetrievalTask, held_out_before_seen, seen_splits
from dataplane.dataset.sequences import Dataset, Events, Split
from models.spec.features import EncodedSpec
from models.spec.moments import iso_moment

if TYPE_CHECKING:
    from components.evaluator.params import EvaluatorParams

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


def protocol(
    tasks: Mapping[Split, RetrievalTask],
    dataset: Dataset,
    spec: EncodedSpec,
    params: "EvaluatorParams",
    measured: Mapping[Split, Measured],
) -> Protocol:
    """Describes the measurement.

    Args:
        tasks: retrieval task of each split.
        dataset: the encoded data.
        spec: the encoded columns.
        params: parameters of the Evaluator.
        measured: metrics of the model on each split that has a relevant candidate; not on the validation events if the
            model was made of these, too.
    """
    of_splits = {
        split: SplitFacts(**task.counts, seen=seen_splits(split), window=_window(task.held_out))
        for split, task in tasks.items()
    }
    every = _window(dataset.events)
    return Protocol(
        remove_seen=params.remove_seen,
        ordered=dataset.ordered,
        history_length=spec.features.history.max_length if spec.features.history else None,
        catalogue=CatalogueFacts(
            candidates=len(dataset.candidates),
            without_training_events=int((np.asarray(dataset.train_count) == 0).sum()),
            date=every[1] if every else None,
        ),
        validation=of_splits["validation"],
        test=of_splits["test"],
        split=dataset.metadata.split,
        definitions=_DEFINITIONS,
        notes=tuple(_notes(tasks, dataset, params, measured)),
    )


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
        notes.append(f"k = {cutoffs} exceeds the {len(dataset.candidates)} candidates and is clipped to them")
    for split, task in tasks.items():
        if not len(task.query_rows):
            notes.append(f"{split}: no query has a relevant candidate, so the split is not measured")
            continue
        if split not in measured:
            notes.append(
                f"{split}: metrics are those of the training, before the chosen settings were fitted once more with "
                "the validation events"
            )
            continue
        if task.counts["already_seen_dropped"]:
            dropped = task.counts["already_seen_dropped"]
            notes.append(f"{split}: {dropped} held-out candidates were seen before and do not count (remove_seen)")
        if not any(name.startswith("popularity_bias") for name in measured[split].metrics):
            notes.append(f"{split}: no query has a history, so there is no popularity_bias")
        later = held_out_before_seen(dataset.events, split) if dataset.ordered else 0
        if later:
            notes.append(
                f"{split}: {later} held-out events are earlier than an event of their query's history, because the "
                "split is not by time: the model sees some later events"
            )
    if not dataset.ordered:
        notes.append("the data have no order: the history is an unordered set of seen events, cut in stored order")
    return notes


def _window(events: Events) -> tuple[str, str] | None:
    """First and last timestamp of events, ISO 8601."""
    if events.timestamp is None or len(events) == 0:
        return None
    return iso_moment(int(events.timestamp.min())), iso_moment(int(events.timestamp.max()))
