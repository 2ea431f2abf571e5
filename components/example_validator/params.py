"""What configures ExampleValidator."""

from typing import Literal

from pydantic import Field

from components.base import Params
from dataplane.statistics.coverage_anomalies import DescribedLimits


class ExampleValidatorParams(Params):
    """How far the data may depart from what is expected."""

    max_nan_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of a column's values that may be NaN or infinite."""
    max_unseen_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of a string column's values that may lie outside the domain its schema gives."""
    min_queries: int = Field(default=2, ge=1)
    """Distinct queries that the interactions must have."""
    min_candidates: int = Field(default=2, ge=1)
    """Distinct candidates that the interactions must have."""
    described_queries: DescribedLimits = DescribedLimits()
    """How many of the queries in the interactions the table of queries must describe."""
    described_candidates: DescribedLimits = DescribedLimits()
    """How many of the candidates in the interactions the table of candidates must describe."""
    fail_on: Literal["error", "warning", "never"] = "error"
    """The mildest severity that stops the run."""
