"""The documents of a ServingModel: `index.json`, how its index was made, and `expected_answers.json`."""

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

from dataplane.artifacts.document import Document, Part, Rooted
from models.spec.tree_settings import TreeSettings

SearchKind: TypeAlias = Literal["brute_force", "tree"]


class Target(Part):
    """What the settings were chosen for."""

    k: int
    recall: float
    reached: float
    """Recall at `k` on queries that chose nothing."""


class Chosen(Part):
    """What one way to search gives on the tuning queries."""

    recall: float
    assured: float
    """The recall that other queries reach in all likelihood."""
    cost_us: float
    """Expected microseconds of a query."""


class Build(Part):
    """One tree that was built while settings were chosen, with its best settings."""

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
    """Tuning queries."""
    chosen: Chosen
    builds: tuple[Build, ...]
    curve: tuple[CurvePoint, ...]


class QueryIndexReport(Part):
    """The index over the stored queries."""

    queries: int
    search: SearchKind
    settings: TreeSettings | None
    recall: Mapping[str, float]
    bytes: int
    """What ids and vectors take in each model."""


class IndexReport(Document):
    """The index over the candidates, and what it finds of what exact search finds."""

    FILE: ClassVar[str] = "index.json"

    candidates: int
    dimension: int
    search: SearchKind
    settings: TreeSettings | None
    """None for brute force."""
    top_k: int
    """Answers of a request."""
    target: Target
    recall: Mapping[str, float]
    """Against exact search, by `recall@k`."""
    queries: int
    """Queries that recall was measured on."""
    build_seconds: float
    latency_ms: Mapping[str, float]
    """Median for one query, by `scann` and `exact`."""
    tuning: TuningReport
    query_index: QueryIndexReport | None
    """None where the stored queries are not indexed."""
    bytes: Mapping[str, int] = {}
    """Size of each model; empty where an index was refused and nothing exported."""


class ExpectedAnswer(Part):
    """What a stored query must be answered, best first."""

    query_id: str
    candidate_ids: tuple[str, ...]
    scores: tuple[float, ...]


class ExpectedAnswers(Rooted):
    """Answers of the exact model, computed without it."""

    FILE: ClassVar[str] = "expected_answers.json"

    root: tuple[ExpectedAnswer, ...]
