"""What a ranking is measured on: held-out events as the truth, all earlier splits as what was seen.

The history is frozen at the cut: every held-out event of a query is predicted from the same seen events, the latest
of which the query tower looks back on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.sequences import SPLITS, Dataset, Events, Split
from models.ranking import CandidateLists

_HELD_OUT: Mapping[Split, tuple[Split, ...]] = {"validation": ("validation", "test"), "test": ("test",)}
"""By the split measured on, the splits whose events are not known yet."""


@dataclass(frozen=True)
class RetrievalTask:
    """Queries of one split and what is known and wanted of each.

    Attributes:
        query_rows: rows of the queries that have something relevant, ascending, int64 `[queries]`.
        relevant: candidates of their held-out events, each once.
        seen: candidates of their seen events, each once.
        excluded: what is left out of their rankings: `seen`, or nothing.
        history: the seen events of all queries, in order, repeats included.
        held_out: the events of the split, of all queries.
        counts: how many queries and events there are, and how many were left out for which reason.
    """

    query_rows: np.ndarray
    relevant: CandidateLists
    seen: CandidateLists
    excluded: CandidateLists
    history: Events
    held_out: Events
    counts: Mapping[str, int]


def seen_splits(split: Split) -> tuple[Split, ...]:
    """Splits whose events are known when `split` is measured."""
    return tuple(name for name in SPLITS if name not in _HELD_OUT[split])


def retrieval_task(dataset: Dataset, split: Split, *, remove_seen: bool) -> RetrievalTask:
    """The task of one split.

    Args:
        dataset: all events.
        split: `validation` or `test`.
        remove_seen: leave seen candidates out of rankings, and hence out of what is relevant.
    """
    history, held_out = dataset.events.select(seen_splits(split)), dataset.events.select([split])
    wanted, seen = _distinct_pairs(history=held_out, dataset=dataset), _distinct_pairs(history=history, dataset=dataset)
    new = ~np.isin(wanted, seen, assume_unique=True) if remove_seen else np.ones(len(wanted), bool)
    query_rows = np.unique(wanted[new] // len(dataset.candidates))
    with_events = int(np.count_nonzero(np.diff(held_out.offsets)))
    seen_lists = _lists(seen, query_rows, len(dataset.candidates))
    return RetrievalTask(
        query_rows=query_rows,
        relevant=_lists(wanted[new], query_rows, len(dataset.candidates)),
        seen=seen_lists,
        excluded=seen_lists if remove_seen else CandidateLists.empty(len(query_rows)),
        history=history,
        held_out=held_out,
        counts={
            "events": len(held_out),
            "queries": len(query_rows),
            "relevant": int(new.sum()),
            "repeated_in_split_merged": len(held_out) - len(wanted),
            "already_seen_dropped": int((~new).sum()),
            "queries_without_events": len(dataset.queries) - with_events,
            "queries_with_only_seen_candidates": with_events - len(query_rows),
        },
    )


def _distinct_pairs(*, history: Events, dataset: Dataset) -> np.ndarray:
    """Query and candidate of each event as one integer, ascending, each once."""
    return np.unique(history.queries() * len(dataset.candidates) + history.candidate)


def _lists(pairs: np.ndarray, query_rows: np.ndarray, candidates: int) -> CandidateLists:
    query, candidate = np.divmod(pairs, candidates)
    kept = np.isin(query, query_rows)
    ends = np.searchsorted(query[kept], query_rows, side="right")
    return CandidateLists(np.concatenate([[0], ends]).astype(np.int64), candidate[kept].astype(np.int32))
