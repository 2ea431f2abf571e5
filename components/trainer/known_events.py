"""Finds out whether a model was trained on events that another run holds out."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.dataset.sequences import Dataset, Events, Split

_QUERIES = 5000
"""Number of queries that are looked at; queries are stored in hash order, so the first ones are a random sample."""
_HELD_OUT: tuple[Split, ...] = ("validation", "test")


def known_share(earlier: Dataset, dataset: Dataset) -> float:
    """Share of the held-out events of a dataset that were training events of an earlier one, for a sample of queries.

    Events are the same if query, candidate and time are. Without times, an event whose query and candidate are also
    those of a training event of the dataset does not count, because it may be a repetition.

    Args:
        earlier: the data that the model was trained on.
        dataset: the data whose events are held out.
    """
    sizes = np.diff(dataset.events.bare().select(_HELD_OUT).offsets)
    queries = np.flatnonzero(sizes)[:_QUERIES]
    found = pc.index_in(dataset.queries.ids.take(pa.array(queries)), value_set=earlier.queries.ids)
    rows = found.fill_null(-1).to_numpy(zero_copy_only=False)
    queries, rows = queries[rows >= 0], rows[rows >= 0]
    own, theirs = dataset.events.take(queries), earlier.events.take(rows)
    held_out, trained = own.select(_HELD_OUT), theirs.select(["train"])
    if not len(held_out):
        return 0.0
    translated = pc.index_in(earlier.candidates.ids, value_set=dataset.candidates.ids).fill_null(-1)
    candidate = translated.to_numpy(zero_copy_only=False)[trained.candidate]
    timed = held_out.timestamp is not None and trained.timestamp is not None
    catalogue = len(dataset.candidates)
    known = _keys(trained, candidate, catalogue, timed=timed)[candidate >= 0]
    asked = _keys(held_out, held_out.candidate, catalogue, timed=timed)
    is_known = np.isin(asked, known)
    if not timed:
        again = own.select(["train"])
        is_known &= ~np.isin(asked, _keys(again, again.candidate, catalogue, timed=False))
    return float(is_known.sum() / sizes[np.flatnonzero(sizes)[:_QUERIES]].sum())


def _keys(events: Events, candidate: np.ndarray, catalogue: int, *, timed: bool) -> np.ndarray:
    """One value for each event, equal for equal events of the same queries."""
    pairs: np.ndarray = events.queries() * catalogue + candidate
    if not timed:
        return pairs
    keys = np.empty(len(pairs), [("pair", np.int64), ("time", np.int64)])
    keys["pair"], keys["time"] = pairs, events.timestamp
    return keys
