"""Limits on how much data may change from night to night: parts of the section `validation`."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from models.spec.strict import Strict

Severity: TypeAlias = Annotated[
    Literal["error", "warning", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]
"""What exceeding a limit is; YAML reads `off` without quotes as false."""


class DriftLimits(Strict):
    """Limits on the change of the distribution of a column's values.

    A `drift_comparator` of a column in a pinned schema takes the place of the limit, and is an error.
    """

    severity: Severity = "warning"
    """What exceeding a limit is."""
    max_l_infinity: float = Field(default=0.3, gt=0, le=1)
    """Largest change of the share of one string or boolean among all values, and of the share of rows with a value in
    any column."""
    max_jensen_shannon: float = Field(default=0.3, gt=0, le=1)
    """Largest Jensen–Shannon divergence, with logarithms to base 2, between the values of a column of numbers."""


class VolumeLimits(Strict):
    """Limits on the number of rows of a table, as a ratio to the earlier data.

    Interactions with spans are compared by the rows a span. The newest span must also lie between `min_ratio` times the
    fewest and `max_ratio` times the most rows of the other spans of its window, if these are at least three.
    """

    severity: Severity = "error"
    """What exceeding a limit is."""
    min_ratio: float = Field(default=0.5, ge=0, le=1)
    """Least ratio."""
    max_ratio: float = Field(default=2.0, ge=1)
    """Largest ratio."""


class FreshnessLimits(Strict):
    """Limit on the age of the newest event, at every run."""

    severity: Severity = "error"
    """What exceeding the limit is."""
    max_hours: float | None = Field(default=None, gt=0)
    """Largest age of the newest event; null checks nothing."""


class NewIdsLimits(Strict):
    """Limits on the share of ids that the earlier data do not have, among the distinct ids of the interactions."""

    severity: Severity = "warning"
    """What exceeding a limit is."""
    max_queries: float = Field(default=0.7, gt=0, le=1)
    """Largest share of new query ids."""
    max_candidates: float = Field(default=0.5, gt=0, le=1)
    """Largest share of new candidate ids."""


class RepeatLimits(Strict):
    """Limit on repeated events: the share of the events whose query and candidate occur together before."""

    severity: Severity = "warning"
    """What exceeding the limit is."""
    max_increase: float = Field(default=0.2, gt=0, le=1)
    """Largest increase of the share, such as 0.2 for an increase from 0.1 to 0.3. Data that were loaded twice have a
    share of at least 0.5."""


class TimeUnitLimits(Strict):
    """Whether the unit of times has changed: the median of a column of times is 100 times as large, or as small."""

    severity: Severity = "error"
    """What a change is."""


class ChangeLimits(Strict):
    """Limits on how much data may differ from earlier data.

    Earlier data are the last ones that were accepted, and those that the newest published model was trained on.
    """

    drift: DriftLimits = DriftLimits()
    """The distribution of every column but times."""
    volume: VolumeLimits = VolumeLimits()
    """Numbers of rows."""
    freshness: FreshnessLimits = FreshnessLimits()
    """The age of the newest event; needs no earlier data."""
    new_ids: NewIdsLimits = NewIdsLimits()
    """Ids that are new."""
    repeats: RepeatLimits = RepeatLimits()
    """Events that occur more than once."""
    time_unit: TimeUnitLimits = TimeUnitLimits()
    """Seconds that were milliseconds before."""
