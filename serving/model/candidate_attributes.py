"""Reads the attributes of the served candidates, by which requests may filter, from the candidate table."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from dataplane.artifacts import Examples
from dataplane.columns.raw_features import plain_column
from dataplane.errors import DataError
from dataplane.shards import shards_of
from models.retrieval.attributes import Values
from models.retrieval.where import Attributes
from models.spec.features import CANDIDATE_ID
from models.spec.selection import Filter, attribute_problem


def read_attributes(
    examples: Examples, ids: pa.Array, *, filters: Mapping[str, Filter], max_per: Sequence[str]
) -> Attributes:
    """The attributes of the candidates, in the order of their ids.

    A candidate without a row in the table, or with a null there, has no value.

    Args:
        examples: has the ingested candidate table.
        ids: ids of the served candidates.
        filters: by name.
        max_per: columns by whose values answers can be limited.

    Raises:
        DataError: there is no candidate table, or a column is missing or has a type that does not fit.
    """
    columns = {name: one.column or name for name, one in filters.items()}
    table = _table(examples.path / "candidates", {*columns.values(), *max_per})
    rows = pc.index_in(ids.cast(pa.large_string()), value_set=plain_column(table, CANDIDATE_ID).cast(pa.large_string()))

    def column(key: str, name: str, kind: str) -> pa.Array:
        if name not in table.column_names:
            there = ", ".join(each for each in table.column_names if each != CANDIDATE_ID)
            raise DataError(f"{key}: the candidate table has no column '{name}'; it has {there or 'no other'}")
        values = plain_column(table, name)
        if problem := attribute_problem(kind, _type_name(values.type)):
            raise DataError(f"{key}: column '{name}' of the candidate table {problem}")
        return values.take(rows)

    found = {name: column(f"index.filters.{name}", columns[name], one.kind) for name, one in filters.items()}
    return Attributes(
        candidates=len(ids),
        kinds={name: one.kind for name, one in filters.items()},
        values={name: _values(found[name]) for name, one in filters.items() if one.kind != "range"},
        numbers={name: _numbers(found[name]) for name, one in filters.items() if one.kind == "range"},
        groups={name: _codes(column("index.max_per", name, "equals")) for name in max_per},
    )


def attributes_digest(attributes: Attributes) -> str:
    """SHA-256 of the attributes and of the kinds of the filters."""
    digest = hashlib.sha256(json.dumps(dict(attributes.kinds)).encode())
    for name, values in attributes.values.items():
        digest.update(json.dumps([name, list(values.names)]).encode())
        digest.update(np.asarray(values.codes, np.int64).tobytes() + np.asarray(values.rows, np.int64).tobytes())
    for name, numbers in (*attributes.numbers.items(), *attributes.groups.items()):
        digest.update(json.dumps(name).encode() + numbers.tobytes())
    return digest.hexdigest()


def _table(directory: Path, columns: set[str]) -> pa.Table:
    if not directory.is_dir():
        raise DataError("index.filters and index.max_per need a candidate table (data.candidates)")
    table = ds.dataset([str(file) for file in shards_of(directory)], format="parquet")
    known = [name for name in table.schema.names if name == CANDIDATE_ID or name in columns]
    return table.to_table(columns=known)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _type_name(kind: pa.DataType) -> str:
    """The name that configurations know a type of ingested columns by."""
    if _is_list(kind):
        return f"list<{_type_name(kind.value_type)}>"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return {"double": "float64", "float": "float64", "large_string": "string"}.get(str(kind), str(kind))


def _texts(values: pa.Array) -> pa.Array:
    """Single values as large strings; "" becomes null."""
    texts = values.cast(pa.large_string())
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _values(column: pa.Array) -> Values:
    is_list = _is_list(column.type)
    texts = _texts(pc.list_flatten(column) if is_list else column)
    rows = pc.list_parent_indices(column).to_numpy() if is_list else np.arange(len(column))
    named = texts.dictionary_encode()
    is_there = texts.is_valid().to_numpy(zero_copy_only=False)
    codes = named.indices.fill_null(0).to_numpy()
    return Values(named.dictionary.to_numpy(zero_copy_only=False), codes[is_there], rows[is_there])


def _numbers(column: pa.Array) -> np.ndarray:
    """Numbers, or Unix seconds of moments, float64; NaN for null."""
    if pa.types.is_timestamp(column.type):
        microseconds = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        column = pc.divide(microseconds.cast(pa.float64(), safe=False), 1e6)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _codes(column: pa.Array) -> np.ndarray:
    return np.asarray(_texts(column).dictionary_encode().indices.fill_null(-1).to_numpy())
