"""The retrieval task of a split: held-out events are the truth, and events of earlier splits are the history.

The history is frozen at the cut: every held-out event of a query is predicted from the same seen events, of which the
query tower reads the latest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dataplane.dataset.sequences import SPLITS, Dataset, Events, Split
from models.events.ranges import distinct_candidates
from models.ragged import offsets_of, row_ranges, row_sums, rows_of
from models.ranking.ranking import CandidateLists

_HELD_OUT: Mapping[Split, tuple[Split, ...]] = {"validation": ("validation", "test"), "test": ("test",)}
"""By measured split, the splits whose events are not known yet."""


@dataclass(frozen=True)
class RetrievalTask:
    """Queries of one split with their histories and held-out candidates.

    Attributes:
        query_rows: rows of the queries with at least one relevant candidate, ascending, int64 `[queries]`.
        relevant: distinct candidates of their held-out events.
        seen: distinct candidates of their seen events.
        excluded: candidates left out of their rankings: `seen`, or none.
        history: the seen events of all queries, in order, including repeats.
        held_out: the held-out events of all queries.
        counts: numbers of queries and events, and how many were left out for which reason.
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
    """Builds the retrieval task of one split.

    Args:
        dataset: all events.
        split: `validation` or `test`.
        remove_seen: whether seen candidates are left out of rankings, and hence of the relevant candidates.
    """
    history, held_out = dataset.events.bare().select(seen_splits(split)), dataset.events.select([split])
    wanted, seen = (CandidateLists(*distinct_candidates(part.offsets, part.candidate)) for part in (held_out, history))
    new = _not_in(seen, wanted) if remove_seen else np.ones(len(wanted.rows), bool)
    sizes = row_sums(new, wanted.offsets)
    query_rows = np.flatnonzero(sizes)
    with_events = int(np.count_nonzero(np.diff(held_out.offsets)))
    seen = seen.take(query_rows)
    return RetrievalTask(
        query_rows=query_rows,
        relevant=CandidateLists(offsets_of(sizes[query_rows]), wanted.rows[new]),
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
    """Number of events of a split that come before one of their query's seen events."""
    count, codes = 0, [SPLITS.index(name) for name in seen_splits(split)]
    for first, last in row_ranges(events.offsets):
        start, end = events.offsets[first], events.offsets[last]
        query = rows_of(events.offsets[first : last + 1])
        seen = np.flatnonzero(np.isin(events.split[start:end], codes))
        last_seen = np.full(last - first, -1)
        last_seen[query[seen]] = seen  # ascending, so the last one remains
        held_out = np.flatnonzero(events.split[start:end] == SPLITS.index(split))
        count += int(np.count_nonzero(held_out < last_seen[query[held_out]]))
    return count


def _not_in(seen: CandidateLists, wanted: CandidateLists) -> np.ndarray:
    """Marks the entries of `wanted` that the same query has not `seen`."""
    new = []
    for first, last in row_ranges(seen.offsets):
        catalogue = 1 + max(int(lists.entries(first, last).max(initial=0)) for lists in (seen, wanted))
        asked, known = (lists.queries(first, last) * catalogue + lists.entries(first, last) for lists in (wanted, seen))
        positions = np.searchsorted(known, asked)  # lists are ascending, and so are the pairs
        new.append(np.append(known, -1)[positions] != asked)
    return np.concatenate(new)
