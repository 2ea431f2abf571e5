"""`catalogue.json` of a Catalogue: differences from the candidates that the model was trained with."""

from typing import ClassVar

from dataplane.artifacts.document import Document
from dataplane.artifacts.identity import Identity


class CatalogueChanges(Document):
    """Counts of new and removed candidates."""

    FILE: ClassVar[str] = "catalogue.json"

    candidates: int
    """Number of candidates in the catalogue."""
    added: int
    """Number of these that the model was not trained with."""
    removed: int
    """Number of candidates of the training that are not in the catalogue."""
    refresh_of: Identity
    """Identity of the published model whose index is refreshed."""
