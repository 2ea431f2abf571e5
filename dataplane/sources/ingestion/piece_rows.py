"""Reads the rows of a piece, adds partition columns, rejects malformed text, and checks that the file is unchanged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.errors import DataError
from dataplane.sources.files import unchanged
from dataplane.sources.ingestion.column_types import UNSUPPORTED, cast, name_of, type_of_text
from dataplane.sources.reading import NOT_TEXT, Piece, Reader, Reject, Rows


def rows_of(
    reader: Reader, piece: Piece, types: Mapping[str, str] | None, columns: Sequence[str] | None
) -> Iterator[Rows]:
    """Reads a piece; see `Reader.read`.

    Raises:
        DataError: the file is broken, contradicts its partition's directory, or changed while it was read.
    """
    with unchanged(piece.file, piece.name, piece.version):
        for rows in reader.read(piece, types, columns):
            yield _with_partitions(well_formed(rows), piece, columns)


def partition_types(pieces: Iterable[Piece]) -> dict[str, str]:
    """Type of each partition column, guessed from the values of all files."""
    values: dict[str, list[str | None]] = {}
    for column, value in (pair for partitions in {piece.partitions for piece in pieces} for pair in partitions):
        values.setdefault(column, []).append(value)
    return {column: type_of_text(pa.array(texts, pa.string())) for column, texts in values.items()}


def well_formed(rows: Rows) -> Rows:
    """Moves rows whose text is not UTF-8 to the rejects, because Arrow's readers do not check text."""
    texts = [name for name, column in _columns(rows.batch) if _may_be_broken(column.type)]
    try:
        for name in texts:
            rows.batch.column(name).cast(_as_string(rows.batch.column(name).type)).validate(full=True)
    except pa.ArrowInvalid:
        pass
    else:
        return rows
    broken = np.zeros(rows.batch.num_rows, bool)
    for name in texts:
        broken[list(_broken(rows.batch.column(name)))] = True
    found = [
        Reject(int(rows.position[row]), NOT_TEXT, _readable(rows.batch, row)) for row in np.flatnonzero(broken).tolist()
    ]
    return Rows(rows.batch.filter(pa.array(~broken)), rows.position[~broken], [*rows.rejects, *found])


def _columns(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    return zip(batch.schema.names, batch.columns, strict=True)


def _may_be_broken(kind: pa.DataType) -> bool:
    return name_of(kind) in ("string", "list<string>")


def _as_string(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.string()) if name_of(kind) == "list<string>" else pa.string()


def _broken(values: pa.Array, start: int = 0) -> Iterator[int]:
    """Row numbers whose text is not UTF-8, found by halving the column.

    Example with a bad row 2 of four: rows 0–3 fail, 0–1 pass, 2–3 fail, 2 fails, 3 passes.
    """
    try:
        values.cast(_as_string(values.type)).validate(full=True)
    except pa.ArrowInvalid:
        if len(values) == 1:
            yield start
            return
        half = len(values) // 2
        yield from _broken(values[:half], start)
        yield from _broken(values[half:], start + half)


def _readable(batch: pa.RecordBatch, row: int) -> str:
    """A row as text, with replacement characters for unreadable bytes."""
    parts = []
    for name, column in _columns(batch):
        if name_of(column.type) == "string":
            [content] = column[row : row + 1].cast(pa.binary()).to_pylist()
            parts.append(f"{name}: {None if content is None else content.decode(errors='replace')!r}")
        elif not _may_be_broken(column.type):
            parts.append(f"{name}: {column[row].as_py()!r}")
    return "{" + ", ".join(parts) + "}"


def _with_partitions(rows: Rows, piece: Piece, wanted: Sequence[str] | None) -> Rows:
    columns = dict(_columns(rows.batch))
    for column, value in piece.partitions:
        if wanted is not None and column not in wanted:
            continue
        if column in columns:
            _check_equal(columns[column], column, value, piece, rows.position)
        columns[column] = pa.repeat(pa.scalar(value, pa.string()), len(rows.position))
    return replace(rows, batch=pa.RecordBatch.from_pydict(columns)) if piece.partitions else rows


def _check_equal(values: pa.Array, column: str, value: str | None, piece: Piece, position: np.ndarray) -> None:
    equal = _equal(values, value)
    if not equal.all():
        row = int(np.argmin(equal))
        raise DataError(
            f"{piece.name}: column {column!r} is {values[row]} in row {position[row]}, but the file lies in directory "
            f"{column}={value}; correct the column or move the file"
        )


def _equal(values: pa.Array, text: str | None) -> np.ndarray:
    """Which values equal the value in the directory's name."""
    kind = name_of(values.type)
    if text is None or kind == "null":
        missing: np.ndarray = values.is_null().to_numpy(zero_copy_only=False)
        return missing if text is None else np.zeros(len(values), bool)
    if kind == UNSUPPORTED or kind.startswith("list<"):
        return np.zeros(len(values), bool)
    try:
        expected = cast(pa.array([text]), kind)[0]
    except pa.ArrowInvalid:  # the text does not fit the column's type
        return np.zeros(len(values), bool)
    equal: np.ndarray = pc.fill_null(pc.equal(cast(values, kind), expected), False).to_numpy(zero_copy_only=False)
    return equal
