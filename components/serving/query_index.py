"""The index over stored queries, for finding those that are like a request."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from components.errors import RefusedError
from models.candidate_ids import CandidateIds
from models.index import ExactSearch, ScannSearch, Search, TreeSettings, index_recall, wider
from models.serving import IndexedQueries, unit_vectors


@dataclass(frozen=True)
class QueryIndex:
    """Both searches over the same stored queries.

    Attributes:
        queries: by `exact` and `scann`.
        digest: of ids and vectors.
        report: how ScaNN searches, its recall, and the bytes that ids and vectors take in each model.
    """

    queries: Mapping[str, IndexedQueries]
    digest: str
    report: Mapping[str, Any]


def build_query_index(
    ids: pa.Array,
    embeddings: np.ndarray,
    settings: TreeSettings | None,
    *,
    answers: int,
    sample: int,
    min_recall: float,
) -> QueryIndex:
    """Indexes queries by the direction of their embeddings.

    Args:
        ids: of the queries.
        embeddings: float32 `[queries, dim]`, finite.
        settings: of ScaNN's tree, searched wider if need be; None for brute force.
        answers: of a request, at most the number of queries.
        sample: queries that recall is measured with.
        min_recall: share of the exact answers that ScaNN must find.

    Raises:
        RefusedError: it finds fewer.
    """
    vectors = unit_vectors(embeddings)
    exact, scann = ExactSearch(vectors), ScannSearch(vectors, settings)
    recall = _recall(scann, exact, vectors[:sample], answers)
    while (
        recall < min_recall and scann.settings is not None and scann.settings.leaves_to_search < scann.settings.leaves
    ):
        scann.settings = wider(scann.settings, len(vectors))
        recall = _recall(scann, exact, vectors[:sample], answers)
    if recall < min_recall:
        raise RefusedError(
            f"the index of queries has recall@{answers} of {recall:.4f} against exact search, less than "
            f"index.min_recall {min_recall}; lower index.dimensions_per_block"
        )
    names = CandidateIds(ids.to_numpy(zero_copy_only=False))
    searches: dict[str, Search] = {"exact": exact, "scann": scann}
    report = {
        "queries": len(ids),
        "search": "brute_force" if scann.settings is None else "tree",
        "settings": None if scann.settings is None else asdict(scann.settings),
        "recall": {f"recall@{answers}": round(recall, 6)},
        "bytes": vectors.nbytes + ids.nbytes,
    }
    indexed = {name: IndexedQueries(names, search) for name, search in searches.items()}
    return QueryIndex(indexed, vectors_digest(ids, vectors), report)


def vectors_digest(ids: pa.Array, vectors: np.ndarray) -> str:
    """SHA-256 over ids and their vectors."""
    digest = hashlib.sha256(np.ascontiguousarray(vectors).data)
    for part in ids.cast(pa.large_string()).buffers()[1:]:
        digest.update(part or b"")
    return digest.hexdigest()


def _recall(scann: ScannSearch, exact: ExactSearch, queries: np.ndarray, answers: int) -> float:
    return index_recall(scann, exact, queries, (answers,))[answers]
