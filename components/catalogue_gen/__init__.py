"""CatalogueGen: encodes a new candidate table with the preprocessing of the published model."""

from components.catalogue_gen.component import CatalogueGen
from components.catalogue_gen.params import CatalogueGenParams, RefreshConfig

__all__ = ["CatalogueGen", "CatalogueGenParams", "RefreshConfig"]
