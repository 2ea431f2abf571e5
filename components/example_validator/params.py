"""Parameters of ExampleValidator."""

from typing import Literal

from pydantic import Field

from components.base import Params
from dataplane.statistics.change_limits import ChangeLimits
from dataplane.statistics.coverage_anomalies import DescribedLimits


class ExampleValidatorParams(Params):
    """Limits on the data: section `validation`."""

    max_nan_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of a column's values that may be NaN or infinite."""
    max_unseen_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of a string column's values that may lie outside the domain in the schema."""
    min_queries: int = Field(default=2, ge=1)
    """Distinct queries that the interactions must have."""
    min_candidates: int = Field(default=2, ge=1)
    """Distinct candidates that the interactions must have."""
    described_queries: DescribedLimits = DescribedLimits()
    """Limits on the share of query ids in the interactions that the table of queries describes."""
    described_candidates: DescribedLimits = DescribedLimits()
    """Limits on the share of candidate ids in the interactions that the table of candidates describes."""
    changes: ChangeLimits = ChangeLimits()
    """Limits on the difference from earlier data: the last accepted ones, and those of the newest published model."""
    fail_on: Literal["error", "warning", "never"] = "error"
    """The lowest severity that stops the run."""
