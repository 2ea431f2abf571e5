"""`blessing.json` of a Blessing: whether the model may be published, and each gate's outcome."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import StrictBool

from dataplane.artifacts.document import Document, Part
from dataplane.artifacts.evaluation import Means


class Check(Part):
    """Outcome of one gate."""

    name: str
    metric: str
    value: float | None
    threshold: float | None
    passed: bool
    message: str = ""
    """The outcome in words; older releases wrote none."""
    skipped: str | None = None
    """Why the comparison was skipped."""
    version: int | None = None
    """Served version of the comparison."""


class ServedModel(Part):
    """The served model that a model was compared with."""

    version: int | None = None
    """The served version; None if there was none."""
    towers: str | None = None
    """Digest of the towers of the evaluated model."""


class Verdict(Document):
    """Verdict on a model."""

    FILE: ClassVar[str] = "blessing.json"

    blessed: StrictBool
    """Whether every check passed."""
    checks: tuple[Check, ...] = ()
    served: ServedModel = ServedModel()
    notes: tuple[str, ...] = ()
    """Comparisons that were not made, and remarks about the checks."""
    table: Mapping[str, Means] = {}
    """Metrics behind the checks, of the model, its baselines and the served model."""
