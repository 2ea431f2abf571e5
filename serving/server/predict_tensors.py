"""The tensors of TensorFlow Serving's predict API over gRPC: the requests and answers of `predict_json` in protobuf.

A request is read into the same rows as a request in JSON, so both may share a batch. Absent inputs stand for missing
values; TensorFlow Serving does not accept them. Lists of strings are padded with "".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2

from dataplane.errors import ConfigError
from dataplane.errors.messages import quoted
from serving.model.descriptions import SIGNATURE, Inputs, InputSpec
from serving.model.requests import complete_request
from serving.server.loaded_model import LoadedModel
from serving.server.predict_json import (
    MOST_LISTED_VALUES,
    PredictRequest,
    check_finite,
    check_size,
    known_signature,
)

_FIELDS = {
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT64: "int64_val",
}


@dataclass(frozen=True)
class TensorRequest(PredictRequest):
    """A predict request in tensors, which is answered in tensors.

    Attributes:
        spec: name, version and signature of the model that answers.
        outputs: names of the outputs to answer with; empty for all.
    """

    spec: model_pb2.ModelSpec = None
    outputs: tuple[str, ...] = ()

    def encoded(self, outputs: Mapping[str, Any]) -> predict_pb2.PredictResponse:
        """The answer.

        Raises:
            ConfigError: a number is not finite.
        """
        wanted = self.outputs or tuple(outputs)
        tensors = {name: _tensor(outputs[name]) for name in wanted}
        return predict_pb2.PredictResponse(model_spec=self.spec, outputs=tensors)


def parse_tensors(asked: predict_pb2.PredictRequest, model: LoadedModel, *, max_rows: int) -> TensorRequest:
    """Reads a predict request.

    Args:
        asked: the request.
        model: the model that it is for.
        max_rows: the most rows of a request.

    Raises:
        ConfigError: the request does not fit the model; the message says why.
    """
    signature = known_signature(asked.model_spec.signature_name or SIGNATURE, model.interface)
    outputs = _filtered(asked.output_filter, list(model.definitions[signature]["outputs"]))
    specs = model.interface.signatures[signature]
    rows = _rows(asked.inputs, specs, max_rows)
    check_size(rows, max_rows=max_rows, max_values=MOST_LISTED_VALUES)
    spec = model_pb2.ModelSpec(name=asked.model_spec.name, signature_name=signature)
    spec.version.value = model.version
    complete = [complete_request(specs, row) for row in rows]
    return TensorRequest(signature, complete, is_by_row=False, spec=spec, outputs=outputs)


def _filtered(wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The outputs that a request names."""
    for name in wanted:
        if name not in known:
            raise ConfigError(f"request: output_filter: no output {quoted(name)}; there is {', '.join(known)}")
    if len(set(wanted)) < len(wanted):
        raise ConfigError("request: output_filter names an output twice")
    return tuple(wanted)


def _rows(inputs: Mapping[str, tensor_pb2.TensorProto], specs: Inputs, max_rows: int) -> list[dict[str, Any]]:
    if not inputs:
        raise ConfigError(f"request: has no inputs; give at least one of: {', '.join(specs)}")
    columns = {}
    for name, tensor in inputs.items():
        if name not in specs:
            raise ConfigError(
                f"request: {quoted(name)} is not an input of the model; its inputs are: {', '.join(sorted(specs))}"
            )
        columns[name] = _values(name, specs[name], tensor, max_rows)
    if len({len(values) for values in columns.values()}) != 1:
        raise ConfigError("request: the tensors must have the same first dimension, the number of rows")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _values(name: str, spec: InputSpec, tensor: tensor_pb2.TensorProto, max_rows: int) -> list[Any]:
    """The values of an input, an item for each row."""
    wanted = tf.dtypes.as_dtype(spec.dtype).as_datatype_enum
    if tensor.dtype != wanted:
        given = types_pb2.DataType.Name(tensor.dtype) if tensor.dtype in types_pb2.DataType.values() else tensor.dtype
        raise ConfigError(f"request: '{name}' is a tensor of {given}, it must be of {types_pb2.DataType.Name(wanted)}")
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or len(shape) != len(spec.shape) or min(shape) < 0:
        raise ConfigError(f"request: '{name}' has the shape {shape[:4]}, it must have {len(spec.shape)} dimension(s)")
    # A tensor may name a shape that is much larger than its content, which stands for equal values.
    if shape[0] > max_rows:
        raise ConfigError(f"request: a batch has 1 to {max_rows} rows, this one has {shape[0]}")
    if len(shape) == 2 and (items := shape[0] * shape[1]) > MOST_LISTED_VALUES:
        raise ConfigError(f"request: its lists have {items:,} items, at most {MOST_LISTED_VALUES:,} are allowed")
    try:
        values = tf.make_ndarray(tensor)
    except ValueError:
        raise ConfigError(f"request: the content of the tensor '{name}' does not fit its shape {shape}") from None
    if spec.dtype == "string" and not tensor.string_val:
        values = np.full(shape, b"", object)  # numpy has zeros here
    found: list[Any] = values.tolist()
    return found


def _tensor(values: np.ndarray) -> tensor_pb2.TensorProto:
    """A tensor with its values in the field of their type, as TensorFlow Serving answers, not in `tensor_content`."""
    check_finite(values)
    dtype = types_pb2.DT_STRING if values.dtype == object else tf.dtypes.as_dtype(values.dtype).as_datatype_enum
    if dtype not in _FIELDS:
        return tf.make_tensor_proto(values)
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in values.shape]
    )
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, **{_FIELDS[dtype]: values.ravel().tolist()})
