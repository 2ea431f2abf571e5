"""`pushed.json` of a PushedModel: which version stands after a push."""

from typing import ClassVar

from pydantic import StrictBool, StrictInt

from dataplane.artifacts.document import Document
from dataplane.artifacts.identity import Identity


class Push(Document):
    """The version that stands, also where a rollback keeps the pushed model out."""

    FILE: ClassVar[str] = "pushed.json"

    version: StrictInt
    exact: str
    """Path or URI of the exact model."""
    scann: str
    """Path or URI of the ScaNN model."""
    new: StrictBool
    """Whether this push published it."""
    withdrawn: bool = False
    """Whether the pushed model has been rolled back from."""
    identity: Identity | None = None
    """Of the model that stands; older releases did not say."""
    told: str = ""
    """What the user was told."""
