"""Parameters of AttributeGen."""

from pathlib import Path

from pydantic import Field, JsonValue

from components.base import Params
from dataplane.sources.config import MappedEntities
from models.spec.selection import Filter


class AttributeGenParams(Params):
    """Parameters of AttributeGen."""

    base_dir: Path | None = Field(default=None, exclude=True)
    """Directory from which relative paths in `candidates` start. It is not part of the cache key."""
    candidates: MappedEntities = Field(discriminator="format")
    """The new table of candidates."""
    max_bad_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of the table's rows that may be dead letters; with more, the refresh is refused."""
    max_removed_fraction: float = Field(default=0.5, ge=0, le=1)
    """Share of the served candidates that may be missing from the table; with more, the refresh is refused."""
    refresh_of: dict[str, JsonValue]
    """Identity of the trained model behind the published one."""
    filters: dict[str, Filter] = {}
    """The filters by name."""
    max_per: tuple[str, ...] = ()
    """Columns by whose values answers can be limited."""
    display: str | None = None
    """Column that people read beside the ids."""
    item_columns: tuple[str, ...] = ()
    """Further columns that are stored with the models."""

    def tables(self) -> dict[str, MappedEntities]:
        """The source of the table, by its name."""
        return {"candidates": self.candidates}
