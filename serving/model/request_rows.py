"""Reads rows for a signature from a CSV, JSON Lines or Parquet file, a part at a time."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.errors import ConfigError
from dataplane.errors.messages import listed, quoted
from serving.model.descriptions import Inputs, InputSpec
from serving.model.requests import Request, complete_request

_PART = 1024


Item = TypeVar("Item")


def read_rows(file: Path, inputs: Inputs) -> Iterator[Request]:
    """Yields the completed request of each row.

    Cells of a CSV file are read as the input's type: empty is missing, a list is JSON, a time is ISO 8601 or Unix
    seconds. The other formats have types of their own.

    Args:
        file: a file with the suffix `.csv`, `.jsonl`, `.ndjson`, `.json` (JSON Lines too) or `.parquet`.
        inputs: inputs of the signature.

    Raises:
        ConfigError: the file cannot be read, a column is unknown, or a value does not fit its input.
    """

    def completed(row: Mapping[str, Any], is_text: bool) -> Request:
        if unknown := sorted({*row} - {*inputs}):
            raise ConfigError(f"{quoted(unknown[0])} is no input; the inputs are {listed(sorted(inputs))}")
        given = {name: _value(inputs[name], value, is_text=is_text) for name, value in row.items()}
        return complete_request(inputs, given)

    return _each(file, completed)


def read_table(
    file: Path, inputs: Inputs, make: Callable[[Mapping[str, Any]], Item], *, columns: Mapping[str, str]
) -> Iterator[Item]:
    """Yields what `make` makes of each row of a table, which may have other columns than the inputs.

    Args:
        file: see `read_rows`.
        inputs: type of each value.
        make: is given the values by input, without those whose column the row lacks.
        columns: column of an input, where it has another name.

    Raises:
        ConfigError: see `read_rows`; `make` may raise it too.
    """
    named = {name: columns.get(name, name) for name in inputs}

    def made(row: Mapping[str, Any], is_text: bool) -> Item:
        there = {name: row[column] for name, column in named.items() if column in row}
        return make({name: _value(inputs[name], value, is_text=is_text) for name, value in there.items()})

    return _each(file, made)


def _each(file: Path, make: Callable[[Mapping[str, Any], bool], Item]) -> Iterator[Item]:
    """What `make` makes of each row, and of whether its values are text; messages name the file and the row."""
    suffix = file.suffix.lower()
    if suffix not in _READERS:
        raise ConfigError(f"{file}: the name must end in one of {', '.join(_READERS)}")
    try:
        for number, row in enumerate(_READERS[suffix](file), start=1):
            try:
                yield make(row, suffix == ".csv")
            except (ConfigError, ValueError) as error:
                raise ConfigError(f"row {number}: {error}") from None
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _value(spec: InputSpec, value: Any, *, is_text: bool) -> Any:
    """A cell as the JSON value of a request."""
    if is_text:
        value = _parsed(spec, value) if value else None
    if isinstance(value, datetime | date):
        moment = value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, bool):
        return str(value).lower() if spec.dtype == "string" else int(value)
    return value


def _parsed(spec: InputSpec, text: str) -> Any:
    if len(spec.shape) == 2:
        is_one = spec.dtype == "string" and not text.startswith("[")
        return [text] if is_one else json.loads(text)
    if spec.dtype.startswith("float"):
        return float(text)
    if spec.dtype == "int64":
        return int(text) if text.lstrip("-").isdecimal() else datetime.fromisoformat(text)
    return text


def _csv(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines, strict=True):
            if None in row or None in row.values():
                raise ConfigError(
                    f"a row has {'more' if None in row else 'fewer'} cells than the header: {quoted(row)}"
                )
            yield row


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"line {number} is not JSON: {error}") from None
            if not isinstance(row, dict):
                raise ConfigError(f"line {number} must be a JSON object, got {quoted(row)}")
            yield row


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(file) as table:
        for part in table.iter_batches(batch_size=_PART):
            yield from part.to_pylist()


_READERS: Mapping[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_lines,
    ".parquet": _parquet,
}
