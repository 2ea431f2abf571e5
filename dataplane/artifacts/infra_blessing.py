"""`infra_blessing.json` of an InfraBlessing: whether the serving models answer correctly in a fresh process."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import StrictBool

from dataplane.artifacts.document import Document, Part


class ModelTimes(Part):
    """What one of the models took."""

    load_seconds: float
    warm_up_seconds: float
    memory_bytes: int
    """By how much the process grew."""
    latency_ms: float
    """Median for one request."""


class InfraVerdict(Document):
    """The verdict on a pair of serving models."""

    FILE: ClassVar[str] = "infra_blessing.json"

    blessed: StrictBool
    checks: Mapping[str, int] = {}
    """Number of answers that each check has passed."""
    failure: str = ""
    """Why the models are refused, if they are."""
    models: Mapping[str, ModelTimes] = {}
    """By model; empty if the models are refused."""
