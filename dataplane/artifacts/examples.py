"""JSON files of Examples: `summary.json`, counts of the rows of each table, and `spans.json`, the window."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from dataplane.artifacts import Artifact
from dataplane.artifacts.document import Document, Part
from dataplane.shards import shard_path


class TableRows(Part):
    """Rows of one table: in = out + dead + filtered + merged."""

    rows_in: int = Field(alias="in")
    out: int
    dead: int
    """Unusable rows, which are in `dead_letters/`."""
    filtered: int
    """Usable rows left out because of the settings."""
    merged: int = 0
    """Usable rows merged into another row, such as the rows of a pivot."""
    reasons: Mapping[str, int]
    """Dead rows by reason."""


class SpanOfExamples(Part):
    """The interactions of one span."""

    span: str
    rows: int
    dead: int
    filtered: int
    pieces: int
    """Number of consecutive shards, counting those without rows, which have no file."""


class WindowOfExamples(Document):
    """`spans.json`: the window, if the interactions have spans."""

    FILE: ClassVar[str] = "spans.json"

    span: str
    """The run's span."""
    missing: tuple[str, ...]
    """Spans of the window without files."""
    spans: tuple[SpanOfExamples, ...]
    """Spans with files, oldest first; their shards follow each other in this order."""


class IngestSummary(Document):
    """Summary of all tables."""

    FILE: ClassVar[str] = "summary.json"

    tables: Mapping[str, TableRows] = {}
    columns: Mapping[str, Mapping[str, str]] = {}
    """Table → column → type."""
    derived: tuple[str, ...] = ()
    """Tables derived from the interactions; their ids need no comparison."""


def window_shards(examples: Artifact) -> dict[str, list[Path]]:
    """Shards of each span of the interactions that has rows, by its name; {} if the interactions have no spans."""
    if not (examples.path / WindowOfExamples.FILE).exists():
        return {}
    found, first = dict[str, list[Path]](), 0
    for span in WindowOfExamples.read(examples).spans:
        shards = [shard_path(examples.path / "interactions", first + number) for number in range(span.pieces)]
        found[span.span] = [shard for shard in shards if shard.exists()]
        first += span.pieces
    return {name: shards for name, shards in found.items() if shards}
