"""`metrics.json` of an Evaluation: the model beside its baselines and the model in service, and the protocol."""

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from dataplane.artifacts.document import Document, JsonValue, Number, Part

Means: TypeAlias = Mapping[str, float]
"""Mean over the queries, by metric."""
Bounds: TypeAlias = Mapping[str, tuple[float, float]]
"""Lower and upper bound, by metric."""
SliceTable: TypeAlias = Mapping[str, Mapping[str, Number]]
"""`queries` or `pairs`, and the main metrics, by slice."""


class Skipped(Part):
    """A baseline that was not measured."""

    skipped: str
    """Why."""


class NotCompared(Part):
    """The model in service was not measured."""

    version: int | None = None
    """The served version; None if nothing has been published."""
    towers: str | None = None
    """Digest of the new model's towers."""
    skipped: str
    """Why."""


class ServedMetrics(Part):
    """The model in service and the new one on the queries that both can be measured on."""

    version: int
    """The served version."""
    towers: str
    """Digest of the new model's towers."""
    queries: int
    """How many were compared."""
    test: Means
    """Of the served model."""
    model: Means
    """Of the new model."""
    intervals: Bounds
    """Of how far the new model is above the served one."""


class Intervals(Part):
    """Bootstrap intervals."""

    level: float
    resamples: int
    test: Bounds
    test_minus_popularity: Bounds = {}


class Slices(Part):
    """Metrics of parts of the queries, and of parts of the pairs of a query and a relevant candidate."""

    history_length: SliceTable
    query: SliceTable
    candidate: SliceTable
    features: Mapping[str, SliceTable]


class HeldOut(Part):
    """How much of one split can be measured."""

    events: int
    """How many are held out."""
    seen_before: int
    """Of these, how many are not measured: their query had the candidate before, and what it had is left out."""
    queries: int
    """How many have held-out events."""
    queries_without: int
    """Of these, how many have nothing left to measure."""

    @property
    def unmeasured_fraction(self) -> float:
        """Share of the queries with held-out events that have nothing left to measure; 0 without such queries."""
        return self.queries_without / self.queries if self.queries else 0.0


class CatalogueFacts(Part):
    """What was ranked."""

    candidates: int
    without_training_events: int
    date: str | None
    """Moment of the last event, ISO 8601."""


class SplitFacts(Part):
    """What one split was measured on."""

    events: int
    queries: int
    relevant: int
    repeated_in_split_merged: int
    already_seen_dropped: int
    queries_without_events: int
    queries_with_only_seen_candidates: int
    seen: tuple[str, ...]
    """Splits whose events the model is told."""
    window: tuple[str, str] | None
    """First and last moment, ISO 8601."""


class Protocol(Part):
    """How it was measured."""

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
    """Everything that was measured."""

    FILE: ClassVar[str] = "metrics.json"

    collapsed: str = ""
    """How the embeddings are all alike, if they are."""
    published: ServedMetrics | NotCompared | None = None
    """None where no gate asks for the comparison."""
    test: Means
    validation: Means
    """Empty where no query has a relevant candidate."""
    baselines: Mapping[str, Means | Skipped]
    intervals: Intervals
    slices: Slices
    not_measured: Mapping[str, HeldOut]
    """By split."""
    protocol: Protocol
