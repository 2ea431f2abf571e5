"""Detects the format of a file, the settings that read it, and its columns."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from dataplane.errors import DataError
from dataplane.sources.config import CsvEntities, FileEntities, JsonlEntities, ParquetEntities
from dataplane.sources.files import SourceFile
from dataplane.sources.formats.json_records import looks_like_json
from dataplane.sources.formats.opening import UNREADABLE, first_bytes, open_bytes, unreadable
from dataplane.sources.formats.sniff import sniff
from dataplane.sources.headers import column_names

Settings: TypeAlias = Mapping[str, Any]
"""Settings of a table in `data`, without `path` and the roles of columns."""

SOURCES: Mapping[str, type[FileEntities]] = {"parquet": ParquetEntities, "csv": CsvEntities, "jsonl": JsonlEntities}
_BEGINNING = 1 << 12
_TEXT_CONTROLS = b"\t\n\r\f\x1b\b\x01\x02\x03\x1c\x1d\x1e\x1f"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Layout:
    """The format and the columns of a file.

    Attributes:
        settings: settings that read the file.
        columns: its columns in order; None if its records have different fields.
    """

    settings: Settings
    columns: tuple[str, ...] | None


def source_of(settings: Settings, location: str) -> FileEntities:
    """The source settings of a table with one file and an arbitrary id.

    Raises:
        DataError: the settings are invalid.
    """
    try:
        return SOURCES[settings["format"]].model_validate({**settings, "path": location, "id": "any"})
    except ValidationError as error:
        raise DataError(f"{location}: {error.errors()[0]['msg']}") from None


def detect_layout(file: SourceFile) -> Layout:
    """Detects the layout of a file from its content, ignoring its name.

    Raises:
        DataError: the file is empty, cannot be read, or is not a table.
    """
    settings = _settings(file)
    names = column_names(source_of(settings, file.location), None)
    columns = None if names is None else tuple(dict.fromkeys([*names, *dict(file.partitions)]))
    if columns is not None and len(columns) < 2:
        raise DataError(f"{file.name} has only one column: {', '.join(columns) or 'without a name'}")
    return Layout(settings, columns)


def _settings(file: SourceFile) -> Settings:
    if first_bytes(file.location, file.name).startswith(b"PAR1"):
        return {"format": "parquet"}
    beginning = _beginning(file)
    if looks_like_json(beginning):
        return {"format": "jsonl"}
    if _is_binary(beginning):
        raise DataError(f"{file.name} is neither text nor Parquet{_zero(beginning)}; it begins with {beginning[:12]!r}")
    try:
        return _delimited(file)
    except csv.Error as error:
        raise DataError(f"{file.name} cannot be read as delimited text: {error}") from error


def _beginning(file: SourceFile) -> bytes:
    try:
        with open_bytes(file.location) as stream:
            beginning = stream.read(_BEGINNING)
    except UNREADABLE as error:
        raise unreadable(file.name, error) from error
    if not beginning.strip():
        raise DataError(f"{file.name} is empty")
    return beginning


def _is_binary(beginning: bytes) -> bool:
    if beginning.startswith(_UTF_16):
        return False
    controls = sum(byte < 32 and byte not in _TEXT_CONTROLS for byte in beginning)
    return controls > len(beginning) // 100 or b"\0" in beginning


def _zero(beginning: bytes) -> str:
    position = beginning.find(b"\0")
    return f" (byte {position} is zero)" if position >= 0 else ""


def _delimited(file: SourceFile) -> Settings:
    dialect = sniff(file.location)
    settings: dict[str, Any] = {"format": "csv", **dialect.settings()}
    settings |= {} if dialect.header else {"names": [f"column{number + 1}" for number in range(dialect.columns)]}
    return settings
