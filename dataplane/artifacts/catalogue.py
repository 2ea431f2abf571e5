"""`catalogue.json` of a Catalogue: how it differs from the candidates that the model was trained with."""

from typing import ClassVar

from dataplane.artifacts.document import Document
from dataplane.artifacts.identity import Identity


class CatalogueChanges(Document):
    """What is new and what is gone."""

    FILE: ClassVar[str] = "catalogue.json"

    candidates: int
    """How many there are."""
    added: int
    """Of these, how many the model was not trained with."""
    removed: int
    """Candidates the model was trained with that are not among these."""
    refresh_of: Identity
    """The published model whose index is refreshed."""
