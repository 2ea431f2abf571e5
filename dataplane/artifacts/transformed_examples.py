"""`metadata.json` of TransformedExamples: what its arrays do not say of themselves."""

from collections.abc import Mapping
from typing import ClassVar

from dataplane.artifacts.document import Document, JsonValue, Part


class LeftOut(Part):
    """What `max_events_per_query` left out."""

    limit: int
    queries: int
    events: int


class Cuts(Part):
    """Moments, ISO 8601, from which on a split in time holds events out."""

    validation_from: str
    test_from: str


class DatasetMetadata(Document):
    """How the events were divided, counts, and the range in time."""

    FILE: ClassVar[str] = "metadata.json"

    ordered: bool
    """Whether the events of a query have an order in time."""
    split: Mapping[str, JsonValue] | None = None
    """Settings of the split, compared as a whole; `method` is one of them."""
    seed: int | None = None
    """Seed of the split."""
    final: bool | None = None
    """Whether all events are training events."""
    events: int | None = None
    queries: int | None = None
    candidates: int | None = None
    counts: Mapping[str, int] = {}
    """Events by split."""
    left_out: LeftOut | None = None
    time_range: tuple[str, str] | None = None
    """First and last moment, ISO 8601; None without timestamps."""
    cuts: Cuts | None = None

    @property
    def split_method(self) -> str | None:
        """By which method the events were divided, if that is known."""
        method = (self.split or {}).get("method")
        return method if isinstance(method, str) else None
