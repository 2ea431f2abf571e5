"""The printed rows."""

from benchmarks.harness.report import Record


class Night(Record):
    """A printed row: one night, trained cold and warm.

    Attributes:
        behind: how far the warm model's recall is below the cold one's, in standard errors of the cold one.
    """

    night: int
    events: int
    candidates: int
    cold_recall: float
    error: float
    warm_recall: float
    behind: float
    cold_old: float | None
    warm_old: float | None
    cold_new: float | None
    warm_new: float | None
    cold_steps: int
    warm_steps: int
    cold_seconds: float
    warm_seconds: float
    cold_kept: float | None
    warm_kept: float | None
    published: str


class BadNight(Record):
    """A printed row: a night that must not be published."""

    bad_night: str
    refused_by: str
    reason: str
    still_served: bool
