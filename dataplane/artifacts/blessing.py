"""`blessing.json` of a Blessing: whether the model may be published, and each gate's outcome."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import StrictBool

from dataplane.artifacts.document import Document, Part
from dataplane.artifacts.evaluation import Means


class Check(Part):
    """The outcome of one gate."""

    name: str
    metric: str
    value: float | None
    threshold: float | None
    passed: bool
    message: str = ""
    """The outcome in words; older releases wrote none."""
    skipped: str | None = None
    """Why there was nothing to compare with."""
    version: int | None = None
    """The served version compared with."""


class ServedModel(Part):
    """What a model was compared with."""

    version: int | None = None
    """The served version; None if there was none."""
    towers: str | None = None
    """Digest of the towers of the model that was evaluated."""


class Verdict(Document):
    """The verdict on a model."""

    FILE: ClassVar[str] = "blessing.json"

    blessed: StrictBool
    """Whether every check passed."""
    checks: tuple[Check, ...] = ()
    served: ServedModel = ServedModel()
    notes: tuple[str, ...] = ()
    """What was not compared, and what a reader should know of the checks."""
    table: Mapping[str, Means] = {}
    """The metrics that the checks rest on, of the model and of what it is compared with."""
