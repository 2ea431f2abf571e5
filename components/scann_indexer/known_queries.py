"""Puts the features and events of the stored queries into the serving models."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.scann_indexer.executor import ChosenIndex, Subject
from dataplane.artifacts.serving_model import KnownQueriesReport
from dataplane.artifacts.transform_graph import read_spec
from models.ragged import concatenate_ranges, offsets_of
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.known_queries import KnownQueries, StoredEvents


def known_queries(subject: Subject, chosen: ChosenIndex) -> KnownQueries | None:
    """The stored queries with all their events; None if they are not configured."""
    if not subject.params.known_queries:
        return None
    queries, features = subject.dataset.queries, read_spec(subject.graph).features
    subject.context.progress(f"storing the features and events of {len(queries):,} queries")
    shared = chosen.query_index and chosen.query_index.queries["exact"].ids
    ids = shared or CandidateIds(queries.ids.to_numpy(zero_copy_only=False))
    length = None if features.history is None else features.history.max_length
    return KnownQueries(features, ids, queries.columns, _events(subject, length or 0))


def known_queries_report(known: KnownQueries) -> KnownQueriesReport:
    """Numbers and bytes of the stored queries."""
    return KnownQueriesReport(queries=len(known.ids), events=known.events, bytes=known.nbytes)


def known_queries_digest(subject: Subject) -> str:
    """SHA-256 of the ids, features and events of the stored queries."""
    digest = hashlib.sha256()
    for part in subject.dataset.queries.ids.cast(pa.large_string()).buffers()[1:]:
        digest.update(part or b"")
    events = subject.dataset.events
    for values in (*subject.dataset.queries.columns.values(), events.offsets, events.candidate):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _events(subject: Subject, length: int) -> StoredEvents:
    """All events, or the latest `length` of each query where only the query tower reads them."""
    dataset = subject.dataset
    starts, ends = dataset.events.offsets[:-1], dataset.events.offsets[1:]
    if not subject.params.remove_seen:
        starts = np.maximum(starts, ends - length)
    _, rows = concatenate_ranges(starts, ends)
    served = pc.fill_null(pc.index_in(dataset.candidates.ids, value_set=subject.ids), -1)
    return StoredEvents(
        offsets=offsets_of(ends - starts),
        candidates=np.asarray(dataset.events.candidate[rows]),
        tokens=dataset.candidates.columns["candidate_id"][:, 0],
        served=served.to_numpy(zero_copy_only=False).astype(np.int32),
    )
