"""SchemaGen: the expected type and values of every column, inferred from the statistics or pinned by the user."""

from components.schema_gen.component import SchemaGen
from components.schema_gen.params import MAX_DOMAIN, SchemaGenParams

__all__ = ["MAX_DOMAIN", "SchemaGen", "SchemaGenParams"]
