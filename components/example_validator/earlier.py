"""Statistics of earlier data, with which the ExampleValidator compares."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from dataplane.artifacts import Statistics
from dataplane.artifacts.statistics import StatisticsReport


@dataclass(frozen=True)
class EarlierStatistics:
    """The statistics of earlier data.

    Attributes:
        what: what the data are, such as "the last accepted data".
        execution: the execution that computed them, `STEP/EXECUTION`.
        path: directory of the artifact.
    """

    what: str
    execution: str
    path: Path

    @property
    def digest(self) -> str:
        """Digest of the content."""
        return hashlib.sha256((self.path / StatisticsReport.FILE).read_bytes()).hexdigest()

    def read(self) -> StatisticsReport:
        """Reads the statistics.

        Raises:
            UnreadableDocumentError: the file is damaged or of another release.
        """
        return StatisticsReport.read(Statistics(self.path))


class EarlierData(Protocol):
    """Finds the data to compare with."""

    def found(self, key: str) -> Mapping[str, EarlierStatistics]:
        """The earlier data by a short name.

        Args:
            key: cache key of the statistics that are to be compared; they are not earlier than themselves.
        """

    def now(self) -> datetime:
        """The moment for which the age of events counts."""


@dataclass(frozen=True)
class GivenData:
    """Earlier data that are known beforehand.

    Attributes:
        statistics: by a short name.
        moment: the moment for which the age of events counts; the current one if None.
    """

    statistics: Mapping[str, EarlierStatistics] = field(default_factory=dict)
    moment: datetime | None = None

    def found(self, key: str) -> Mapping[str, EarlierStatistics]:
        """See `EarlierData`."""
        return self.statistics

    def now(self) -> datetime:
        """See `EarlierData`."""
        return self.moment or datetime.now(UTC)
