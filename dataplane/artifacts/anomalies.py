"""`anomalies.json` of Anomalies: departures of the data from the schema."""

from datetime import datetime
from typing import ClassVar, Literal

from dataplane.artifacts.document import Document, Part, Rooted


class Anomaly(Part):
    """One departure; see `dataplane.statistics.anomalies` and `dataplane.statistics.changes`."""

    table: str
    column: str | None
    """None for a whole table."""
    kind: str
    severity: Literal["error", "warning"]
    message: str

    @property
    def place(self) -> str:
        """Table and column."""
        return f"{self.table}.{self.column}" if self.column else self.table


class AnomalyList(Rooted):
    """All anomalies, errors first."""

    FILE: ClassVar[str] = "anomalies.json"

    root: tuple[Anomaly, ...]


class Newest(Document):
    """The newest event of the data."""

    FILE: ClassVar[str] = "newest.json"

    event: datetime | None
    """None if events have no times."""
