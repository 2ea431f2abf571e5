"""Requests to a serving model as JSON values: made of stored queries, and completed with markers of missing values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from dataplane.artifacts import Examples
from dataplane.columns.hashing import hash_strings
from dataplane.columns.raw_features import raw_features
from dataplane.dataset.sequences import Dataset
from dataplane.errors import ConfigError
from dataplane.errors.messages import quoted
from dataplane.shards import shards_of
from models.spec.features import HISTORY, MISSING_TIMESTAMP, QUERY_ID, FeatureSpec
from models.spec.selection import WHERE
from serving.model.descriptions import Inputs, InputSpec

Request = dict[str, Any]
"""Value by input name: a string, a number, a list of them, or None if missing."""


def stored_requests(
    examples: Examples, dataset: Dataset, features: FeatureSpec, query_ids: Sequence[str]
) -> list[Request]:
    """Makes the requests of known queries: features as ingested, and all events as history, oldest first.

    Context features are missing, because they are not stored with a query. Features are missing too if the query table
    does not have them.

    Args:
        examples: has the query table, if there is one.
        dataset: has the events.
        features: the features of a request.
        query_ids: ids in `dataset`.

    Raises:
        ConfigError: an id is unknown.
    """
    histories = [_history(dataset, query_id) for query_id in query_ids]
    table = _query_table(examples, query_ids)
    read = features.of("query")
    absent = {feature.column or name for name, feature in read.items()} - set(table.column_names)
    for column in sorted(absent):
        table = table.append_column(column, pa.nulls(len(query_ids)))
    raw = raw_features(read, table)
    return [
        {
            **{name: _json(values[row]) for name, values in raw.items()},
            **dict.fromkeys(features.context),
            HISTORY: history,
        }
        for row, history in enumerate(histories)
    ]


def _history(dataset: Dataset, query_id: str) -> list[str]:
    row = _row(dataset.queries.ids, query_id)
    start, stop = dataset.events.offsets[row : row + 2]
    candidates = pa.array(np.asarray(dataset.events.candidate[start:stop]))
    history: list[str] = dataset.candidates.ids.take(candidates).to_pylist()
    return history


def _row(ids: pa.Array, query_id: str) -> int:
    """Row of an id, found by bisection; ids are ordered by (hash, id)."""
    wanted = (int(hash_strings(pa.array([query_id], pa.large_string()))[0]), query_id)
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        here = ids.slice(middle, 1)
        if (int(hash_strings(here)[0]), here[0].as_py()) < wanted:
            low = middle + 1
        else:
            high = middle
    if low == len(ids) or ids[low].as_py() != query_id:
        raise ConfigError(
            f"query '{query_id}' is not among the {len(ids)} queries of the data; give its features instead"
        )
    return low


def _query_table(examples: Examples, query_ids: Sequence[str]) -> pa.Table:
    """Rows of the query table in the order of `query_ids`; nulls for queries it does not have."""
    wanted = pa.table({QUERY_ID: pa.array(query_ids, pa.string())})
    directory = examples.path / "queries"
    if not directory.is_dir():
        return wanted
    files = ds.dataset([str(file) for file in shards_of(directory)], format="parquet")
    found = files.to_table(filter=ds.field(QUERY_ID).isin(list(query_ids)))
    rows = pa.compute.index_in(wanted[QUERY_ID], found[QUERY_ID].cast(pa.string()).combine_chunks())
    taken = found.drop_columns([QUERY_ID]).take(rows.combine_chunks())
    for column in taken.column_names:
        wanted = wanted.append_column(column, taken[column])
    return wanted


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        values = [_json(item) for item in value]
        if value.dtype == object:
            return [item for item in values if item is not None]
        return None if None in values else values
    if isinstance(value, np.floating):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return None if value == MISSING_TIMESTAMP else int(value)
    return value or None


def complete_request(inputs: Inputs, request: Mapping[str, Any]) -> Request:
    """Completes a request: inputs that are absent or None get the marker of a missing value.

    Args:
        inputs: dtype and shape of the model's inputs by name, from its description.
        request: values by input name. A string may be given as an integer, because ids often are numbers, or as UTF-8
            bytes. An integer may be given as a float without a fraction, and a flag to filter by as a boolean.

    Returns:
        For each input a string, a float or an integer, or a list of them if the input has two dimensions.

    Raises:
        ConfigError: a name is not an input, or a value does not fit its input.
    """
    unknown = sorted(set(request) - set(inputs))
    if unknown:
        allowed = ", ".join(sorted(inputs))
        raise ConfigError(f"request: {quoted(unknown[0])} is not an input of the model; its inputs are: {allowed}")
    return {name: _complete(name, spec, request.get(name)) for name, spec in inputs.items()}


def as_batch(inputs: Inputs, requests: Sequence[Request]) -> dict[str, list[Any]]:
    """Columns of completed requests: values by input name. Lists of strings are padded with "" to one width."""
    batch = {}
    for name, spec in inputs.items():
        values = [request[name] for request in requests]
        if len(spec.shape) == 2 and spec.dtype == "string":
            width = max(map(len, values), default=0)
            values = [value + [""] * (width - len(value)) for value in values]
        batch[name] = values
    return batch


_TEXTS = {str, bytes}
_LARGEST = {dtype: float(np.finfo(dtype).max) for dtype in ("float32", "float64")}
_MISSING: dict[str, Any] = {"string": "", "float32": float("nan"), "float64": float("nan"), "int64": MISSING_TIMESTAMP}
_WANTED = {"string": "a string", "float32": "a number", "float64": "a number", "int64": "a whole number (Unix seconds)"}


def _complete(name: str, spec: InputSpec, value: Any) -> Any:
    dtype, shape = spec.dtype, spec.shape
    if len(shape) == 1:
        return _scalar(name, dtype, value)
    width = shape[1]
    if value is None:
        return [] if width is None else [_MISSING[dtype]] * width
    if not isinstance(value, list):
        raise ConfigError(f"request: '{name}' must be a list, each item {_WANTED[dtype]}; got {quoted(value)}")
    if width is not None and len(value) != width:
        raise ConfigError(f"request: '{name}' must have {width} items, got {len(value)}")
    if dtype == "string" and set(map(type, value)) <= _TEXTS:  # long lists take this way, without a loop in Python
        return value
    return [_scalar(name, dtype, item) for item in value]


def _scalar(name: str, dtype: str, value: Any) -> Any:
    if value is None:
        return _MISSING[dtype]
    if dtype == "string" and isinstance(value, str | bytes):
        return value
    if dtype == "string" and isinstance(value, bool) and name.startswith(WHERE):
        return "true" if value else "false"  # as flags of the candidate table are compared
    if dtype == "int64" and isinstance(value, float) and value.is_integer():
        value = int(value)
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if is_integer and dtype not in _LARGEST:
        if dtype == "int64" and not -(2**63) <= value < 2**63:
            raise ConfigError(f"request: '{name}' is beyond 64 bits: {quoted(value)}")
        return str(value) if dtype == "string" else value
    if dtype in _LARGEST and (is_integer or isinstance(value, float)):
        if abs(value) > _LARGEST[dtype]:  # it would become infinite, the marker of a missing value
            raise ConfigError(f"request: '{name}' is beyond {dtype[-2:]}-bit floating point: {quoted(value)}")
        return float(value)
    raise ConfigError(f"request: '{name}' must be {_WANTED[dtype]}, got {quoted(value)}")
