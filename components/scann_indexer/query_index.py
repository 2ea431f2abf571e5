"""Builds the index of stored queries, which finds queries similar to a request."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from components.scann_indexer.index_tuning import Tuner
from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.serving_model import QueryIndexReport
from dataplane.errors import RefusedError
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch, Search
from models.retrieval.index_recall import RecallMeter
from models.retrieval.scann_index import name_resource
from models.retrieval.serving import IndexedQueries, unit_vectors
from models.spec.progress import Progress

if TYPE_CHECKING:
    from components.scann_indexer.params import IndexConfig


@dataclass(frozen=True)
class QueryIndex:
    """Exact and ScaNN search over the stored queries.

    Attributes:
        queries: ids and search of each model, by `exact` and `scann`.
        identity: digest of ids and vectors, and ScaNN's settings.
        report: ScaNN's settings and recall, and the bytes of ids and vectors in each model.
    """

    queries: Mapping[str, IndexedQueries]
    identity: Mapping[str, JsonValue]
    report: QueryIndexReport


def build_query_index(
    ids: pa.Array, embeddings: np.ndarray, config: "IndexConfig", *, answers: int, progress: Progress
) -> QueryIndex:
    """Indexes queries by the direction of their embeddings.

    Args:
        ids: ids of the queries, in hash order.
        embeddings: finite float32 `[queries, dim]`.
        config: section `index`, as for the candidates.
        answers: number of answers to a request, clipped to the number of queries.
        progress: called with a line of text per step.

    Raises:
        RefusedError: ScaNN does not reach the recall target.
    """
    vectors, answers = unit_vectors(embeddings), min(answers, len(ids))
    exact = ExactSearch(vectors)
    judging, tuning = vectors[: config.sample_queries], vectors[config.sample_queries : 2 * config.sample_queries]
    tuning = tuning if len(tuning) else judging
    scann = Tuner(config, exact, tuning, answers=answers, other_queries=len(judging), progress=progress).tune().search
    name_resource(scann, "queries")
    k, target = min(config.recall_target.k, answers), config.recall_target.recall
    with scann.asked() as search:
        recall = float(RecallMeter(exact, judging, (k,), asked=answers).recall(search)[k].mean())
    if recall < target:
        raise RefusedError(
            f"the index of queries has recall@{k} of {recall:.4f} against exact search, less than "
            f"index.recall_target.recall {target}; set its settings to auto, or lower the target"
        )
    settings = scann.settings
    names = CandidateIds(ids.to_numpy(zero_copy_only=False))
    searches: dict[str, Search] = {"exact": exact, "scann": scann}
    return QueryIndex(
        queries={name: IndexedQueries(names, search) for name, search in searches.items()},
        identity={
            "digest": vectors_digest(ids, vectors),
            "index": None if settings is None else asdict(settings),
        },
        report=QueryIndexReport(
            queries=len(ids),
            search="brute_force" if settings is None else "tree",
            settings=settings,
            recall={f"recall@{k}": round(recall, 6)},
            bytes=vectors.nbytes + ids.nbytes,
        ),
    )


def vectors_digest(ids: pa.Array, vectors: np.ndarray) -> str:
    """SHA-256 of ids and their vectors."""
    digest = hashlib.sha256(np.ascontiguousarray(vectors).data)
    for part in ids.cast(pa.large_string()).buffers()[1:]:
        digest.update(part or b"")
    return digest.hexdigest()
