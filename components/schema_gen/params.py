"""Parameters of SchemaGen."""

from pathlib import Path

from components.base import Params

MAX_DOMAIN = 100
"""String columns with more distinct values than this get no domain."""


class SchemaGenParams(Params):
    """Where the schema comes from."""

    path: Path | None = None
    """A reviewed `schema.pbtxt` to use unchanged. By default the schema is inferred from the data."""
