"""`metrics.json` of an Evaluation: metrics of the model, its baselines and the served model, and the protocol."""

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from dataplane.artifacts.document import Document, JsonValue, Number, Part

Means: TypeAlias = Mapping[str, float]
"""Mean over the queries of each metric."""
Bounds: TypeAlias = Mapping[str, tuple[float, float]]
"""Lower and upper bound of each metric."""
SliceTable: TypeAlias = Mapping[str, Mapping[str, Number]]
"""Slice → number of `queries` or `pairs`, and the main metrics."""


class Skipped(Part):
    """A baseline that was not measured."""

    skipped: str
    """Reason."""


class Churn(Part):
    """How much of the served model's answers the new model keeps."""

    k: int
    """Number of answers of each query that are compared."""
    queries: int
    overlap: float
    """Mean share of the answers that both models give."""
    jaccard: float
    """Mean size of the intersection over that of the union."""
    intervals: Bounds
    """Of `overlap` and `jaccard`."""

    @property
    def churn(self) -> float:
        """Mean share of the answers that the served model does not give."""
        return 1 - self.overlap


class NotCompared(Part):
    """A served model that was not measured."""

    version: int | None = None
    """The served version; None if nothing has been published."""
    towers: str | None = None
    """Digest of the new model's towers."""
    skipped: str
    """Reason."""
    churn: Churn | None = None
    """None if the served model was not asked either."""


class ServedMetrics(Part):
    """Metrics of the served and the new model on the queries that both can be measured on."""

    version: int
    """The served version."""
    towers: str
    """Digest of the new model's towers."""
    queries: int
    """Number of compared queries."""
    test: Means
    """Metrics of the served model."""
    model: Means
    """Metrics of the new model."""
    intervals: Bounds
    """Intervals of the difference, new model minus served model."""
    churn: Churn | None = None
    """On all queries with test events; None in files of older releases."""


class Intervals(Part):
    """Bootstrap intervals."""

    level: float
    resamples: int
    test: Bounds
    test_minus_popularity: Bounds = {}
    test_minus_item_knn: Bounds = {}
    test_minus_recent_popularity: Bounds = {}
    test_minus_ease: Bounds = {}
    test_minus_ials: Bounds = {}

    def minus(self, baseline: str) -> Bounds:
        """Intervals of the paired difference from a baseline; empty if it was not measured."""
        found: Bounds = getattr(self, f"test_minus_{baseline}", {})
        return found


class Slices(Part):
    """Metrics of slices of the queries, and of slices of the pairs of a query and a relevant candidate."""

    history_length: SliceTable
    query: SliceTable
    candidate: SliceTable
    features: Mapping[str, SliceTable]


class HeldOut(Part):
    """Counts of one split that tell how much of it can be measured."""

    events: int
    """Number of held-out events."""
    seen_before: int
    """Number of these that are not measured, because their query saw the candidate before (`remove_seen`)."""
    queries: int
    """Number of queries with held-out events."""
    queries_without: int
    """Number of these with nothing left to measure."""

    @property
    def unmeasured_fraction(self) -> float:
        """Share of the queries with held-out events that have nothing left to measure; 0 without such queries."""
        return self.queries_without / self.queries if self.queries else 0.0


class CatalogueFacts(Part):
    """The ranked catalogue."""

    candidates: int
    without_training_events: int
    date: str | None
    """Time of the last event, ISO 8601."""


class SplitFacts(Part):
    """Events and queries that one split was measured on."""

    events: int
    queries: int
    relevant: int
    repeated_in_split_merged: int
    already_seen_dropped: int
    queries_without_events: int
    queries_with_only_seen_candidates: int
    seen: tuple[str, ...]
    """Splits whose events are part of the histories."""
    window: tuple[str, str] | None
    """Time of the first and the last event, ISO 8601."""


class Protocol(Part):
    """Description of the measurement."""

    remove_seen: bool
    ordered: bool
    history_length: int | None
    catalogue: CatalogueFacts
    validation: SplitFacts
    test: SplitFacts
    split: Mapping[str, JsonValue] | None
    definitions: Mapping[str, str]
    notes: tuple[str, ...]


class Metrics(Document):
    """All results of an evaluation."""

    FILE: ClassVar[str] = "metrics.json"

    collapsed: str = ""
    """How the embeddings are all alike; empty if they differ."""
    published: ServedMetrics | NotCompared | None = None
    """None if no gate needs the comparison."""
    test: Means
    validation: Means
    """Empty if no query has a relevant candidate."""
    baselines: Mapping[str, Means | Skipped]
    intervals: Intervals
    slices: Slices
    not_measured: Mapping[str, HeldOut]
    """By split."""
    protocol: Protocol
