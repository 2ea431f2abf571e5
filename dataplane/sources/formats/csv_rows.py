"""Post-processes the rows that Arrow has split: translates values back and rejects repeated headers."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.errors import DataError
from dataplane.sources.formats.csv_header import CsvHeader
from dataplane.sources.formats.csv_translation import Translation
from dataplane.sources.reading import REPEATED_HEADER, Reject, Rows

_BOM = "\ufeff"


def labels_of(header: CsvHeader) -> list[str]:
    """Names of all fields for Arrow, which needs a name for each field."""
    return [name or f"\0{index}" for index, name in enumerate(header.names)]


def as_meant(batch: pa.RecordBatch, translation: Translation) -> pa.RecordBatch:
    """Translates the values of a batch back to those of the file; see `csv_translation`."""
    signs = {ord(read[0]) for read, _ in translation.backward}
    columns = [_as_meant(values, translation) if _holds(values, signs) else values for values in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names) if columns else batch


def _holds(values: pa.StringArray, signs: Collection[int]) -> bool:
    content = values.buffers()[2]
    found = np.frombuffer(b"" if content is None else content, np.uint8)
    return any((found == sign).any() for sign in signs)


def _as_meant(values: pa.StringArray, translation: Translation) -> pa.StringArray:
    for read, meant in translation.backward:
        if pc.any(pc.match_substring(values, read)).as_py():
            values = pc.replace_substring(values, read, meant)
    return values


def without_further_fields(rows: Rows, header: CsvHeader) -> Rows:
    """Drops the empty field after a trailing delimiter. Rows with a value there become rejects."""
    label = labels_of(header)[-1]
    if not header.trailing or label not in rows.batch.schema.names:
        return rows
    filled = pc.not_equal(pc.fill_null(rows.batch.column(label), ""), "").to_numpy(zero_copy_only=False)
    reason = f"{len(header.names)} fields instead of {len(header.names) - 1}"
    checked = _rejected(rows, filled, reason)
    return Rows(checked.batch.drop_columns([label]), checked.position, checked.rejects)


def without_headers(rows: Rows, header: CsvHeader, ids: Collection[str], name: str, *, others: bool) -> Rows:
    """Moves repeated header lines, which concatenated exports have, to the rejects.

    Args:
        rows: batch of text columns.
        header: header of the file.
        ids: id columns. A row is a header if each id is the name of its column.
        name: name of the file in messages.
        others: whether to search also for headers with another order of columns.

    Raises:
        DataError: a later header has another order of columns.
    """
    written = dict(zip(labels_of(header), header.written, strict=True))
    present = [label for label in rows.batch.schema.names if label in written]
    compared = [label for label in present if label in ids] or present
    if not compared:
        return rows
    first = next(iter(written))
    repeated = np.ones(rows.batch.num_rows, bool)
    for label in sorted(compared, key=lambda label: label == first):  # the first column costs more to compare
        repeated &= _named(rows.batch.column(label), written[label], first=label == first)
        if not repeated.any():
            break
    if others:
        _check_order(rows, [written[label] for label in present], repeated, name)
    return _rejected(rows, repeated, REPEATED_HEADER)


def _named(values: pa.Array, name: str, *, first: bool) -> np.ndarray:
    """Which values are the name of their column; a byte order mark may precede the first column."""
    equal = pc.equal(values, name)
    if first and pc.any(pc.starts_with(values, _BOM)).as_py():
        equal = pc.is_in(values, pa.array([name, f"{_BOM}{name}", f'{_BOM}"{name}"']))
    found: np.ndarray = pc.fill_null(equal, False).to_numpy(zero_copy_only=False)
    return found


def _check_order(rows: Rows, names: list[str], repeated: np.ndarray, name: str) -> None:
    """Refuses rows that have all column names in another order."""
    if len(names) < 2 or len(set(names)) < len(names):
        return
    known = pa.array(names)
    others = pc.is_in(rows.batch.column(0), known).to_numpy(zero_copy_only=False) & ~repeated
    for row in np.flatnonzero(others).tolist():
        fields = [values[row].as_py() for values in rows.batch.columns]
        if sorted(map(str, fields)) == sorted(names):
            raise DataError(
                f"{name} has another header in row {rows.position[row]}, with the columns in another order: "
                f"{', '.join(fields)}; split the file there"
            )


def _rejected(rows: Rows, faulty: np.ndarray, reason: str) -> Rows:
    if not faulty.any():
        return rows
    found = [Reject(int(rows.position[row]), reason, _text(rows.batch, row)) for row in np.flatnonzero(faulty).tolist()]
    kept = ~faulty
    return Rows(rows.batch.filter(pa.array(kept)), rows.position[kept], [*rows.rejects, *found])


def _text(batch: pa.RecordBatch, row: int) -> str:
    contents = [values[row : row + 1].cast(pa.binary())[0].as_py() for values in batch.columns]
    return ",".join("" if content is None else content.decode(errors="replace") for content in contents)
