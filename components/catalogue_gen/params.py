"""Parameters of CatalogueGen."""

from pathlib import Path

from pydantic import Field, JsonValue

from components.base import Params
from dataplane.sources.config import MappedEntities


class RefreshConfig(Params):
    """Limits of an index refresh: section `refresh`."""

    max_removed_fraction: float = Field(default=0.5, ge=0, le=1)
    """Share of the published model's candidates that may be missing from the new table. If more are missing, the table
    is probably broken and the refresh is refused."""


class CatalogueGenParams(RefreshConfig):
    """Parameters of CatalogueGen."""

    base_dir: Path | None = Field(default=None, exclude=True)
    """Directory from which relative paths in `candidates` start. It is not part of the cache key."""
    candidates: MappedEntities = Field(discriminator="format")
    """The new table of candidates. Answers contain its candidates and no others."""
    max_bad_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of the table's rows that may be dead letters; with more, the refresh is refused."""
    refresh_of: dict[str, JsonValue]
    """Identity of the published model whose index is refreshed."""

    def tables(self) -> dict[str, MappedEntities]:
        """The source of the table, by its name."""
        return {"candidates": self.candidates}
