"""JSON files of a ServingModel: `index.json`, which describes its index, and `expected_answers.json`."""

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

from dataplane.artifacts.document import Document, Part, Rooted
from models.spec.tree_settings import TreeSettings

SearchKind: TypeAlias = Literal["brute_force", "tree"]


class Target(Part):
    """Recall target of the index."""

    k: int
    recall: float
    reached: float
    """Recall at `k` on queries that had no part in the choice of settings."""


class Chosen(Part):
    """Cost and recall of the chosen settings on the tuning queries."""

    recall: float
    assured: float
    """Lower bound of the recall on other queries."""
    cost_us: float
    """Expected cost of a query in microseconds."""


class Build(Part):
    """A tree built during tuning, with its best settings."""

    settings: TreeSettings
    recall: float
    assured: float
    cost_us: float
    build_seconds: float


class CurvePoint(Part):
    """The chosen tree with another number of leaves to search."""

    leaves_to_search: int
    reorder: int
    recall: float
    assured: float
    cost_us: float
    latency_ms_batch_1: float
    latency_ms_batch_64: float


class TuningReport(Part):
    """How the settings were chosen."""

    queries: int
    """Number of tuning queries."""
    chosen: Chosen
    builds: tuple[Build, ...]
    curve: tuple[CurvePoint, ...]


class QueryIndexReport(Part):
    """Index of the stored queries."""

    queries: int
    search: SearchKind
    settings: TreeSettings | None
    recall: Mapping[str, float]
    bytes: int
    """Bytes of ids and vectors in each model."""


class KnownQueriesReport(Part):
    """Stored queries that the models know by id."""

    queries: int
    events: int
    bytes: int
    """Bytes of ids, encoded features and events in each model."""

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.queries:,} queries with {self.events:,} events, {self.bytes:,} bytes"


class IndexReport(Document):
    """Index of the candidates, and its recall against exact search."""

    FILE: ClassVar[str] = "index.json"

    candidates: int
    dimension: int
    search: SearchKind
    settings: TreeSettings | None
    """None for brute force."""
    top_k: int
    """Number of answers to a request."""
    target: Target
    recall: Mapping[str, float]
    """Recall against exact search, by `recall@k`."""
    queries: int
    """Number of queries that recall was measured on."""
    build_seconds: float
    latency_ms: Mapping[str, float]
    """Median latency of one query, by `scann` and `exact`."""
    tuning: TuningReport
    query_index: QueryIndexReport | None
    """None if the stored queries are not indexed."""
    known_queries: KnownQueriesReport | None = None
    """None if the models do not have the features and events of the stored queries."""
    bytes: Mapping[str, int] = {}
    """Size of each model; empty if the index was refused and nothing was exported."""


class ExpectedAnswer(Part):
    """Right answers to a stored query, best first."""

    query_id: str
    candidate_ids: tuple[str, ...]
    scores: tuple[float, ...]


class ExpectedAnswers(Rooted):
    """Right answers of the exact model, computed independently of it."""

    FILE: ClassVar[str] = "expected_answers.json"

    root: tuple[ExpectedAnswer, ...]
