"""`infra_blessing.json` of an InfraBlessing: whether the serving models answer correctly in a fresh process."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import StrictBool

from dataplane.artifacts.document import Document, Part


class ModelTimes(Part):
    """Time and memory that one of the models needs."""

    load_seconds: float
    warm_up_seconds: float
    memory_bytes: int
    """Growth of the process."""
    latency_ms: float
    """Median latency of one request."""


class InfraVerdict(Document):
    """Verdict on a pair of serving models."""

    FILE: ClassVar[str] = "infra_blessing.json"

    blessed: StrictBool
    checks: Mapping[str, int] = {}
    """Number of answers that passed each check."""
    failure: str = ""
    """Why the models are refused; empty if they are blessed."""
    models: Mapping[str, ModelTimes] = {}
    """Times of each model; empty if the models are refused."""
