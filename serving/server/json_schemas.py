"""JSON Schemas of the predict API's requests and answers, made from a model's signatures.

The server answers every request that fits its schema, except for three rules that JSON Schema cannot express: the lists
of `inputs` have one length, the lists of a request together are not too long, and a string may be the number 7 but not
7.0.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from models.spec.selection import WHERE
from serving.model.descriptions import SIGNATURE, Inputs, InputSpec
from serving.server.predict_json import MOST_LISTED_VALUES, Interface

Schema = dict[str, Any]

_FLOAT_RANGE = {
    dtype: {"minimum": float(np.finfo(dtype).min), "maximum": float(np.finfo(dtype).max)}
    for dtype in ("float32", "float64")
}
_INT_RANGE = {"minimum": -(2**63), "maximum": 2**63 - 1}
_BASE64 = {
    "type": "object",
    "properties": {
        "b64": {
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        }
    },
    "required": ["b64"],
    "additionalProperties": False,
}
_TAKEN: dict[str, Schema] = {
    "string": {
        "description": "A string, its UTF-8 bytes in base64, or an integer instead of its digits; null if missing",
        "anyOf": [
            {"type": ["string", "null"]},
            {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1},
            _BASE64,
        ],
    },
    **{
        dtype: {"description": "A number; null if missing", "type": ["number", "null"], **limits}
        for dtype, limits in _FLOAT_RANGE.items()
    },
    "int64": {
        "description": "A whole number, such as Unix seconds; null if missing",
        "type": ["integer", "null"],
        **_INT_RANGE,
    },
}
_GIVEN: dict[str, Schema] = {
    "DT_STRING": {"type": "string"},
    "DT_BOOL": {"type": "boolean"},
    **{dtype: {"type": "number"} for dtype in ("DT_HALF", "DT_FLOAT", "DT_DOUBLE")},
    **{dtype: {"type": "integer"} for dtype in ("DT_INT8", "DT_UINT8", "DT_INT16", "DT_INT32", "DT_INT64")},
}


def instance_schema(inputs: Inputs) -> Schema:
    """Schema of one row of a request; absent inputs are missing values.

    Args:
        inputs: dtype and shape of the signature's inputs by name.
    """
    properties = {name: _input_schema(name, spec) for name, spec in inputs.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def request_schema(signature: str, interface: Interface, *, instance: Schema, max_rows: int) -> Schema:
    """Schema of a request to a signature, by row or by column.

    Args:
        signature: name of the signature.
        interface: what the model can be asked for.
        instance: schema of one row, or a reference to one.
        max_rows: the most rows of a request.
    """
    inputs = interface.signatures[signature]

    def rows_of(schema: Schema) -> Schema:
        return {"type": "array", "items": schema, "minItems": 1, "maxItems": max_rows}

    columns = {
        "type": "object",
        "description": "A list for each input, one item per row; all lists have one length",
        "properties": {name: rows_of(_input_schema(name, spec)) for name, spec in inputs.items()},
        "minProperties": 1,
        "additionalProperties": False,
    }
    by_row, by_column = [rows_of(instance)], [columns]
    if len(inputs) == 1:  # needs no name
        alone = rows_of(_input_schema(*next(iter(inputs.items()))))
        by_row.append(alone)
        by_column.append(alone)
    return {
        "type": "object",
        "properties": {"signature_name": _signature_name(signature), **_options(signature, interface)},
        "required": [] if signature == SIGNATURE else ["signature_name"],
        "oneOf": [_with_only("instances", by_row), _with_only("inputs", by_column)],
    }


def answer_schema(outputs: Mapping[str, Mapping[str, Any]], *, most: int | None, columns: Sequence[str]) -> Schema:
    """Schema of the answer to a request, by row or by column like the request.

    Args:
        outputs: TensorInfo of the signature's outputs by name, as JSON.
        most: the most answers per row of a signature that ranks, of which a request may ask for fewer; None otherwise.
        columns: columns of the candidates that the answer may have.
    """
    values = {name: _output_schema(tensor, fewer=most is not None) for name, tensor in outputs.items()}
    lists = {name: _list_of(schema) for name, schema in values.items()}
    asked = {"items": _items_schema(columns)} if columns else {}
    if len(values) == 1:
        (items,) = lists.values()
        rows = by_column = items
    else:
        rows = _list_of(_exactly(values, asked))
        by_column = _exactly(lists, {name: _list_of(schema) for name, schema in asked.items()})
    return {"oneOf": [_exactly({"predictions": rows}), _exactly({"outputs": by_column})]}


def _signature_name(signature: str) -> Schema:
    return {"enum": [SIGNATURE, "", None]} if signature == SIGNATURE else {"const": signature}


def _options(signature: str, interface: Interface) -> dict[str, Schema]:
    """Options of a request that TensorFlow Serving does not know."""
    most, columns = interface.rankings.get(signature), interface.columns.get(signature, ())
    k = {"type": "null"} if most is None else {"type": ["integer", "null"], "minimum": 1, "maximum": most}
    names = {"items": {"enum": list(columns)}} if columns else {"maxItems": 0}
    return {
        "k": {"description": "Number of answers per row; null for as many as there are", **k},
        "columns": {
            "description": "Columns of the candidates to answer with, as `items`",
            "type": ["array", "null"],
            **names,
        },
    }


def _items_schema(columns: Sequence[str]) -> Schema:
    """Schema of the columns of one row's candidates."""
    values: Schema = {"type": "object", "properties": {name: {} for name in columns}, "additionalProperties": False}
    return {"description": "The columns that the request names, for each of `candidate_ids`", **_list_of(values)}


def _list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _with_only(key: str, alternatives: list[Schema]) -> Schema:
    """Requires one of `instances` and `inputs`, as one of the alternatives, and forbids the other."""
    other = "inputs" if key == "instances" else "instances"
    return {"properties": {key: {"anyOf": alternatives}, other: False}, "required": [key]}


def _exactly(properties: Mapping[str, Schema], optional: Mapping[str, Schema] = MappingProxyType({})) -> Schema:
    return {
        "type": "object",
        "properties": {**properties, **optional},
        "required": list(properties),
        "additionalProperties": False,
    }


def _input_schema(name: str, spec: InputSpec) -> Schema:
    value = _TAKEN[spec.dtype]
    if spec.dtype == "string" and name.startswith(WHERE):
        value = {"anyOf": [value, {"type": "boolean"}]}
    if len(spec.shape) == 1:
        return value
    width = spec.shape[1]
    if width is None:
        return {"type": ["array", "null"], "items": value, "maxItems": MOST_LISTED_VALUES}
    return {"type": ["array", "null"], "items": value, "minItems": width, "maxItems": width}


def _output_schema(tensor: Mapping[str, Any], *, fewer: bool) -> Schema:
    """Schema of one row of an output, whose first dimension is the batch; `fewer` values may have been asked for."""
    schema = _GIVEN.get(tensor["dtype"], {})
    for dimension in reversed(tensor["tensor_shape"]["dim"][1:]):
        size = int(dimension["size"])
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema |= {"minItems": 1 if fewer else size, "maxItems": size}
    return schema
