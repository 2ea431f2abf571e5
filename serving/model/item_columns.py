"""Columns of the candidates, such as titles, that are stored with a serving model; answers have them on request."""

import hashlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from dataplane.artifacts import Examples
from dataplane.shards import shards_of
from models.spec.features import CANDIDATE_ID

ITEMS = Path("assets.extra") / "candidates.parquet"
"""Where a SavedModel has the columns: a row for each candidate, in the order of their ids."""
_DISPLAY = b"display"


class ItemColumns:
    """Columns of the candidates; a candidate without a row has null in all of them.

    Attributes:
        names: names of the columns.
        display: the column that people read beside the ids; None if there is none.
    """

    def __init__(self, table: pa.Table) -> None:
        """Wraps a table that `item_columns` made."""
        self._ids = table[CANDIDATE_ID].combine_chunks()
        self._values = table.drop_columns([CANDIDATE_ID])
        self.names: tuple[str, ...] = tuple(self._values.column_names)
        display = (table.schema.metadata or {}).get(_DISPLAY)
        self.display = display.decode() if display else None

    def of(self, ids: Iterable[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The values of some candidates by column, in the order of `ids`."""
        rows = pa.array([self._row(name) for name in ids], pa.int64())
        values: list[dict[str, Any]] = self._values.select(list(columns)).take(rows).to_pylist()
        return values

    def titles(self, ids: Collection[str]) -> dict[str, str]:
        """The column `display` as text, by candidate id; candidates without a value are left out."""
        if self.display is None:
            return {}
        found = zip(ids, self.of(ids, [self.display]), strict=True)
        return {name: str(item[self.display]) for name, item in found if item[self.display] is not None}

    def _row(self, name: str) -> int | None:
        """Row of a candidate, by binary search: a dictionary of all ids would need far more memory."""
        row = bisect_left(range(len(self._ids)), name, key=lambda at: self._ids[at].as_py())
        return row if row < len(self._ids) and self._ids[row].as_py() == name else None


def item_columns(examples: Examples, ids: pa.Array, columns: Sequence[str], display: str | None) -> pa.Table:
    """Reads columns of the candidate table, for the candidates that are served.

    Args:
        examples: has the ingested candidate table.
        ids: ids of the served candidates.
        columns: names of columns; the table may lack some.
        display: the column that people read beside the ids.
    """
    table = ds.dataset([str(file) for file in shards_of(examples.path / "candidates")], format="parquet")
    known = [name for name in dict.fromkeys(columns) if name in table.schema.names and name != CANDIDATE_ID]
    rows = table.to_table(columns=[CANDIDATE_ID, *known])
    rows = rows.set_column(0, CANDIDATE_ID, rows[CANDIDATE_ID].cast(pa.large_string()))
    rows = rows.filter(pc.is_in(rows[CANDIDATE_ID], value_set=ids.cast(pa.large_string())))
    metadata = {_DISPLAY: display} if display in known else {}
    return rows.sort_by(CANDIDATE_ID).combine_chunks().replace_schema_metadata(metadata)


def columns_digest(table: pa.Table) -> str:
    """SHA-256 of the content of a table that `item_columns` made."""
    content = pa.BufferOutputStream()
    with pa.ipc.new_stream(content, table.schema) as stream:
        stream.write_table(table)
    return hashlib.sha256(content.getvalue()).hexdigest()


def write_item_columns(model: Path, table: pa.Table) -> None:
    """Stores a table that `item_columns` made in a SavedModel."""
    (model / ITEMS).parent.mkdir(exist_ok=True)
    pq.write_table(table, model / ITEMS)


def read_item_columns(model: Path) -> ItemColumns | None:
    """The columns stored with a serving model; None if there are none.

    Raises:
        OSError: the file cannot be read.
        pyarrow.ArrowException: the file is damaged.
    """
    return ItemColumns(pq.read_table(model / ITEMS)) if (model / ITEMS).is_file() else None
