"""`anomalies.json` of Anomalies: departures of the data from the schema."""

from typing import ClassVar, Literal

from dataplane.artifacts.document import Part, Rooted


class Anomaly(Part):
    """One departure; the kinds are described in `dataplane.statistics.anomalies`."""

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
