"""`pushed.json` of a PushedModel: the version that is served after a push."""

from typing import ClassVar

from pydantic import StrictBool, StrictInt

from dataplane.artifacts.document import Document
from dataplane.artifacts.identity import Identity


class Push(Document):
    """The served version, which is another one than the pushed model if that was rolled back from."""

    FILE: ClassVar[str] = "pushed.json"

    version: StrictInt
    exact: str
    """Path or URI of the exact model."""
    scann: str
    """Path or URI of the ScaNN model."""
    new: StrictBool
    """Whether this push published the version."""
    withdrawn: bool = False
    """Whether the pushed model was rolled back from."""
    identity: Identity | None = None
    """Identity of the served model; None in files of older releases."""
    told: str = ""
    """Message to the user."""
