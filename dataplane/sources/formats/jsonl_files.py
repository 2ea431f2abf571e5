"""Reads JSON. Arrow parses blocks of records; a block with a broken record is parsed record by record."""

import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as arrow_json

from dataplane.errors import DataError
from dataplane.sources.config import JsonlEntities, JsonlInteractions, id_columns
from dataplane.sources.files import SourceFile
from dataplane.sources.formats.json_records import record_blocks
from dataplane.sources.formats.json_values import DuplicateMemberError, flat
from dataplane.sources.formats.opening import MEND_DAMAGED, UNREADABLE, open_bytes, unreadable
from dataplane.sources.formats.struct_fields import field_at, leaves
from dataplane.sources.formats.text_files import file_pieces
from dataplane.sources.ingestion.column_types import arrow_type
from dataplane.sources.reading import NOT_TEXT, Piece, Reject, Rows

_BLOCK = 8 << 20
_BUFFER = 1 << 20
_DEEPEST = 100
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True)
class JsonlReader:
    """Reads a table from files with one JSON object per line, or of another form of `json_forms`."""

    table: str
    source: JsonlInteractions | JsonlEntities
    files: Sequence[SourceFile]

    def pieces(self) -> list[Piece]:
        """One piece per file."""
        return file_pieces(self.table, self.files)

    def types(self, pieces: Sequence[Piece]) -> None:
        """None: the types are unknown until all values are read."""

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Yields batches of the values as written. Lines without a JSON object are rejects."""
        wanted = None if columns is None else set(columns)
        texts = _texts(types, self.source.date_formats)
        row = 0
        try:
            with open_bytes(piece.file, buffer=_BUFFER) as stream:
                for lines in record_blocks(stream, piece.name, id_columns(self.source), block=_BLOCK):
                    yield _parse(lines, row, texts, wanted)
                    row += len(lines)
        except UnicodeError as error:
            raise DataError(f"{piece.name} begins as text, but is not: {error}; {MEND_DAMAGED}") from error
        except UNREADABLE as error:
            raise unreadable(piece.name, error, row=row) from error


def _parse(lines: list[bytes], row: int, texts: pa.Schema | None, wanted: set[str] | None) -> Rows:
    position = np.arange(row, row + len(lines))
    if not lines:
        return Rows(pa.RecordBatch.from_pylist([]), position)
    if max(map(len, lines)) >= 2 * _DEEPEST and any(map(_is_deep, lines)):  # Arrow's parser would crash
        return _parse_each(lines, row, wanted)
    try:
        table = arrow_json.read_json(
            io.BytesIO(b"".join(lines)),
            read_options=arrow_json.ReadOptions(block_size=4 * _BLOCK),
            parse_options=arrow_json.ParseOptions(explicit_schema=texts),
        )
        table.validate(full=True)  # refuses texts that are not UTF-8
    except pa.ArrowInvalid:  # a broken line, or a column of numbers here and texts there
        return _parse_each(lines, row, wanted)
    if table.num_rows != len(lines):  # a value that spans lines, or two on one
        return _parse_each(lines, row, wanted)
    columns = _columns(table, wanted)
    if columns is None:  # under two names, of which records have one or the other
        return _parse_each(lines, row, wanted)
    if wanted is None and texts:  # a column that `texts` names need not be there
        columns = {name: values for name, values in columns.items() if values.null_count < len(lines)}
    return Rows(
        pa.RecordBatch.from_pydict(columns) if columns else pa.RecordBatch.from_pylist([{}] * len(lines)), position
    )


def _columns(table: pa.Table, wanted: set[str] | None) -> dict[str, pa.Array] | None:
    """Columns by name or path; None if several that are not empty have the same, as `{"a": {"b": 1}, "a.b": 2}`."""
    names = [field.name for field in table.schema if _is_wanted(field, wanted)]
    batch = _one_batch(table.select(names))
    found: dict[str, pa.Array] = {}
    for path, _ in leaves(batch.schema):
        name, values = ".".join(path), field_at(batch, path)
        if wanted is not None and name not in wanted:
            continue
        if name not in found or found[name].null_count == len(found[name]):
            found[name] = values
        elif values.null_count < len(values):
            return None
    return found


def _is_wanted(field: pa.Field, wanted: set[str] | None) -> bool:
    return wanted is None or field.name in wanted or bool(pa.types.is_struct(field.type))


def _texts(types: Mapping[str, str] | None, dates: Iterable[str]) -> pa.Schema | None:
    # Arrow would turn texts that look like dates into timestamps, in some blocks and not in others.
    texts = {name: arrow_type(kind) for name, kind in (types or {}).items() if kind in ("string", "list<string>")}
    texts |= dict.fromkeys(dates, pa.string())
    # A path may be the name of a column as well: which of the two there is, only the records tell.
    inner = {name: kind for name, kind in texts.items() if "." in name and name.partition(".")[0] not in texts}
    return pa.schema([*itertools.starmap(pa.field, texts.items()), *_structs(inner)]) if texts else None


def _structs(texts: Mapping[str, pa.DataType]) -> list[pa.Field]:
    """Structs that have the fields at some paths: of `user.id` and `user.name`, `user: {id, name}`."""
    fields: dict[str, dict[str, pa.DataType]] = {}
    plain = [pa.field(name, kind) for name, kind in texts.items() if "." not in name]
    for name, kind in texts.items():
        first, dot, rest = name.partition(".")
        if dot and first not in texts:
            fields.setdefault(first, {})[rest] = kind
    return [*plain, *(pa.field(name, pa.struct(_structs(inner))) for name, inner in fields.items())]


def _parse_each(lines: list[bytes], row: int, wanted: set[str] | None) -> Rows:
    records: list[dict[str, Any]] = []
    position: list[int] = []
    rejects: list[Reject] = []
    for number, line in enumerate(lines, start=row):
        value, reason = _value(line)
        if reason:
            rejects.append(Reject(number, reason, line.decode(errors="replace").strip()))
        else:
            records.append(value)
            position.append(number)
    names = dict.fromkeys(name for record in records for name in record if wanted is None or name in wanted)
    columns = {name: _column([record.get(name) for record in records]) for name in names}
    batch = pa.RecordBatch.from_pydict(columns) if columns else pa.RecordBatch.from_pylist([{}] * len(records))
    return Rows(batch, np.array(position, np.int64), rejects)


def _value(line: bytes) -> tuple[dict[str, Any], str]:
    """Members of the object on a line by path, and an empty reason; or the reason to reject the line."""
    if _is_deep(line):
        return {}, f"nested more than {_DEEPEST} levels deep"
    try:
        value = json.loads(line, object_pairs_hook=_distinct)
        if isinstance(value, dict):
            value = flat(value)
        if b"\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is valid JSON, but not text
    except UnicodeError:
        return {}, NOT_TEXT
    except DuplicateMemberError as error:
        return {}, f"has {str(error)!r} twice"
    except (ValueError, RecursionError):
        return {}, "not JSON"
    return (value, "") if isinstance(value, dict) else ({}, "not a JSON object")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise DuplicateMemberError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return members


def _is_deep(line: bytes) -> bool:
    if len(line) < 2 * _DEEPEST or line.count(b"{") + line.count(b"[") <= _DEEPEST:
        return False
    depth = 0
    for mark in _MARKS.finditer(line):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(mark[0], 0)
        if depth > _DEEPEST:
            return True
    return False


def _column(values: list[Any]) -> pa.Array:
    """Array of the values. Values of several types become text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([value if value is None or isinstance(value, str) else json.dumps(value) for value in values])


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
