"""Reports from workers to the driver, as small JSON files, because not every Beam runner returns values."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.shards import shards_of
from dataplane.sources.reading import Piece, Reject
from models.spec.durable import replacing, write_atomically

_RECORD_LENGTH = 2000
_VALUE_LENGTH = 80
_DEAD_LETTER = pa.schema(
    [
        ("table", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("record", pa.string()),
    ]
)


@dataclass
class Report:
    """Row counts of one piece, one shard or one table.

    Attributes:
        table: name of the table.
        rows_in: rows read.
        rows_out: rows written.
        filtered: usable rows left out because of the settings.
        merged: usable rows merged into another row, such as the rows of a pivot.
        reasons: number of dead rows by reason.
        examples: first dead row of each reason, as `VALUE in FILE, row N: RECORD`.
        error: why reading failed, for the user.
        seen: column types and votes on the time unit, from inspecting values.
    """

    table: str
    rows_in: int = 0
    rows_out: int = 0
    filtered: int = 0
    merged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def dead(self) -> int:
        """Number of dead rows."""
        return sum(self.reasons.values())

    def count_dead(self, files: list[str], dead: list[Reject]) -> None:
        """Counts dead rows; `files` names the file of each."""
        for name, reject in zip(files, dead, strict=True):
            self.reasons[reject.reason] += 1
            value = f"{reject.value[:_VALUE_LENGTH]!r} in " if reject.value else ""
            self.examples.setdefault(reject.reason, f"{value}{name}, row {reject.row}: {reject.record[:200]}")

    def add(self, other: "Report") -> None:
        """Adds the counts of a later report on the same table."""
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.filtered += other.filtered
        self.merged += other.merged
        self.reasons.update(other.reasons)
        self.examples = {**other.examples, **self.examples}

    def write(self, path: Path) -> None:
        """Writes the report and replaces that of an earlier attempt."""
        write_atomically(path, json.dumps(vars(self), ensure_ascii=False))


def report_from(values: Mapping[str, Any]) -> Report:
    """A report from its JSON values."""
    return Report(**{**values, "reasons": Counter(values["reasons"])})


def report_name(piece: Piece) -> str:
    """File name of the report on a piece."""
    return f"{piece.table}-{piece.index:05d}.json"


def read_reports(directory: Path) -> list[Report]:
    """Reads all reports in a directory, ordered by file name."""
    return [report_from(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(directory.glob("*.json"))]


def check_counts(reports: Mapping[str, Report], examples: Path) -> None:
    """Checks that no row was lost or written twice: in = out + dead + filtered + merged, in reports and files.

    Args:
        reports: counts of each table.
        examples: directory with the shards.

    Raises:
        AssertionError: the counts disagree, which is a fault of this code.
    """
    for table, report in reports.items():
        if report.rows_in != report.rows_out + report.dead + report.filtered + report.merged:
            raise AssertionError(f"rows of {table} were lost: {report}")
        written = _rows_in(examples / table)
        if written != report.rows_out:
            raise AssertionError(f"{table}: {report.rows_out} rows counted, {written} written")
    dead, letters = sum(report.dead for report in reports.values()), _rows_in(examples / "dead_letters")
    if dead != letters:
        raise AssertionError(f"{dead} dead rows counted, {letters} written")


def _rows_in(directory: Path) -> int:
    return sum(pq.read_metadata(shard).num_rows for shard in shards_of(directory))


class Shard:
    """A Parquet file that is created with its first row."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Appends rows. Columns are matched by name; columns outside the schema are ignored."""
        if rows.num_rows == 0:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        self._writer.write_table(table.select(self._schema.names).cast(self._schema))

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def open_shard(path: Path, schema: pa.Schema) -> Iterator[Shard]:
    """Yields a shard. It appears at `path` if the block succeeds and the shard has rows."""
    with replacing(path) as temporary:
        shard = Shard(temporary, schema)
        try:
            yield shard
        finally:
            shard.close()


@contextmanager
def open_dead_letters(path: Path) -> Iterator[Shard]:
    """Yields a shard for dead letters; see `open_shard`."""
    with open_shard(path, _DEAD_LETTER) as shard:
        yield shard


def dead_letters_path(examples: Path, table: str, number: int) -> Path:
    """File of the dead letters of a piece."""
    return examples / "dead_letters" / f"{table}-{number:05d}.parquet"


def dead_letters(table: str, files: list[str], dead: list[Reject]) -> pa.Table:
    """Table of dead letters for rows of `table`; `files` names the file of each."""
    columns: Mapping[str, list[Any]] = {
        "table": [table] * len(dead),
        "file": files,
        "row": [reject.row for reject in dead],
        "reason": [reject.reason for reject in dead],
        "record": [reject.record[:_RECORD_LENGTH] for reject in dead],
    }
    return pa.table(columns, schema=_DEAD_LETTER)
