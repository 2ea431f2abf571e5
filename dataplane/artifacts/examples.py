"""`summary.json` of Examples: what became of the rows of each table."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from dataplane.artifacts.document import Document, Part


class TableRows(Part):
    """Rows of one table: in = out + dead + filtered + merged."""

    rows_in: int = Field(alias="in")
    out: int
    dead: int
    """Unusable ones, which are in `dead_letters/`."""
    filtered: int
    """Usable ones that were left out on purpose."""
    merged: int = 0
    """Usable ones that went into one with other rows, as those of a pivot."""
    reasons: Mapping[str, int]
    """Dead rows by reason."""


class IngestSummary(Document):
    """All tables."""

    FILE: ClassVar[str] = "summary.json"

    tables: Mapping[str, TableRows] = {}
    columns: Mapping[str, Mapping[str, str]] = {}
    """Type of each column, by table."""
    derived: tuple[str, ...] = ()
    """Tables that were taken from the interactions, so that their ids need no comparison."""
