"""What configures SchemaGen."""

from pathlib import Path
from typing import TYPE_CHECKING

from components.base import Params

if TYPE_CHECKING:
    pass


MAX_DOMAIN = 100
"""String columns with more distinct values than this are not given a domain."""


class SchemaGenParams(Params):
    """Where the schema comes from."""

    path: Path | None = None
    """A reviewed `schema.pbtxt` to use as it is; inferred from the data if absent."""
