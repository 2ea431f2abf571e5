"""`metadata.json` of TransformedExamples: the split, counts and the range in time."""

from collections.abc import Mapping
from typing import ClassVar

from dataplane.artifacts.document import Document, JsonValue, Part


class LeftOut(Part):
    """Events that `max_events_per_query` left out."""

    limit: int
    queries: int
    events: int


class Cuts(Part):
    """Times, ISO 8601, from which a split by time holds events out."""

    validation_from: str
    test_from: str


class DatasetMetadata(Document):
    """Split of the events, counts, and the range in time."""

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
    """Time of the first and the last event, ISO 8601; None without timestamps."""
    cuts: Cuts | None = None

    @property
    def split_method(self) -> str | None:
        """Method of the split; None if unknown."""
        method = (self.split or {}).get("method")
        return method if isinstance(method, str) else None
