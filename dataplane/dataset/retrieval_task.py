"""What a ranking is measured on: held-out events as the truth, all earlier splits as what was seen.

The history is frozen at the cut: every held-out event of a query is predicted from the same seen events, the latest
of which the query tower looks back on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dataplane.dataset.sequences import SPLITS, Dataset, Events, Split
from models.events.ranges import distinct_candidates, query_ranges
from models.ranking.ranking import CandidateLists

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
    history, held_out = dataset.events.bare().select(seen_splits(split)), dataset.events.select([split])
    wanted, seen = (CandidateLists(*distinct_candidates(part.offsets, part.candidate)) for part in (held_out, history))
    new = _not_in(seen, wanted) if remove_seen else np.ones(len(wanted.rows), bool)
    sizes = np.diff(np.concatenate([[0], np.cumsum(new)])[wanted.offsets])
    query_rows = np.flatnonzero(sizes)
    with_events = int(np.count_nonzero(np.diff(held_out.offsets)))
    seen = _of_queries(seen, query_rows)
    return RetrievalTask(
        query_rows=query_rows,
        relevant=CandidateLists(_offsets(sizes[query_rows]), wanted.rows[new]),
        seen=seen,
        excluded=seen if remove_seen else CandidateLists.empty(len(query_rows)),
        history=history,
        held_out=held_out,
        counts={
            "events": len(held_out),
            "queries": len(query_rows),
            "relevant": int(new.sum()),
            "repeated_in_split_merged": len(held_out) - len(wanted.rows),
            "already_seen_dropped": int((~new).sum()),
            "queries_without_events": len(dataset.queries) - with_events,
            "queries_with_only_seen_candidates": with_events - len(query_rows),
        },
    )


def held_out_before_seen(events: Events, split: Split) -> int:
    """How many events of a split their query's seen events do not all precede."""
    count, codes = 0, [SPLITS.index(name) for name in seen_splits(split)]
    for first, last in query_ranges(events.offsets):
        start, end = events.offsets[first], events.offsets[last]
        query = np.repeat(np.arange(last - first), np.diff(events.offsets[first : last + 1]))
        seen = np.flatnonzero(np.isin(events.split[start:end], codes))
        last_seen = np.full(last - first, -1)
        last_seen[query[seen]] = seen  # ascending, so that the last one stays
        held_out = np.flatnonzero(events.split[start:end] == SPLITS.index(split))
        count += int(np.count_nonzero(held_out < last_seen[query[held_out]]))
    return count


def _not_in(seen: CandidateLists, wanted: CandidateLists) -> np.ndarray:
    """Which entries of `wanted` are not among what the same query has `seen`."""
    new = []
    for first, last in query_ranges(seen.offsets):
        catalogue = 1 + max(int(lists.entries(first, last).max(initial=0)) for lists in (seen, wanted))
        asked, known = (lists.queries(first, last) * catalogue + lists.entries(first, last) for lists in (wanted, seen))
        places = np.searchsorted(known, asked)  # lists are ascending, and so are the pairs
        new.append(np.append(known, -1)[places] != asked)
    return np.concatenate(new)


def _of_queries(lists: CandidateLists, query_rows: np.ndarray) -> CandidateLists:
    sizes = np.diff(lists.offsets)
    chosen = np.zeros(len(sizes), bool)
    chosen[query_rows] = True
    return CandidateLists(_offsets(sizes[query_rows]), lists.rows[np.repeat(chosen, sizes)])


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
