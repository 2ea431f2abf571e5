"""Requests over gRPC that do not fit, and what is not served."""

import re
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import pytest
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2

from tests.serving.server.grpc_hosting import Hosted, code, request, tensor


def unknown_rank() -> tensor_pb2.TensorProto:
    made = tensor(types_pb2.DT_STRING, string_val=[b"nl"])
    made.tensor_shape.unknown_rank = True
    return made


BAD = {
    "no inputs": ({}, "has no inputs"),
    "unknown": ({"colour": ["red"]}, "'colour' is not an input"),
    "type": ({"age": [30]}, "'age' is a tensor of DT_INT32, it must be of DT_FLOAT"),
    "no such type": ({"age": tensor(77, 1)}, "'age' is a tensor of 77"),
    "dimensions": ({"history": ["c00001"]}, "it must have 2 dimension"),
    "scalar": ({"country": "nl"}, "it must have 1 dimension"),
    "width": ({"taste": np.ones((1, 3), np.float32)}, "'taste' must have 2 items, got 3"),
    "rows": ({"country": ["nl"] * 9}, "1 to 8 rows, this one has 9"),
    "no rows": ({"country": np.array([], object)}, "1 to 8 rows, this one has 0"),
    "lengths": ({"country": ["nl"], "age": np.ones(2, np.float32)}, "same first dimension"),
    "infinite": ({"age": np.array([np.inf], np.float32)}, "beyond 32-bit"),
    "bomb": ({"history": tensor(types_pb2.DT_STRING, 1, 2**40, string_val=[b""])}, "at most 100,000"),
    "bomb of rows": ({"age": tensor(types_pb2.DT_FLOAT, 2**40, float_val=[1])}, "1 to 8 rows"),
    "negative": ({"age": tensor(types_pb2.DT_FLOAT, -1, float_val=[1])}, r"has the shape \[-1\]"),
    "unknown rank": ({"country": unknown_rank()}, "it must have 1 dimension"),
    "content": ({"age": tensor(types_pb2.DT_FLOAT, 2, tensor_content=b"1")}, "does not fit its shape"),
    "content of texts": ({"country": tensor(types_pb2.DT_STRING, 2, tensor_content=b"1")}, "does not fit its shape"),
    "too many values": ({"age": tensor(types_pb2.DT_FLOAT, 1, float_val=[1, 2])}, "does not fit its shape"),
}


@pytest.mark.parametrize(("inputs", "why"), BAD.values(), ids=BAD)
def test_what_does_not_fit_the_model_is_told(grpc_server: Hosted, inputs: Mapping[str, Any], why: str) -> None:
    asked = request({key: value for key, value in inputs.items() if not isinstance(value, tensor_pb2.TensorProto)})
    for key, value in inputs.items():
        if isinstance(value, tensor_pb2.TensorProto):
            asked.inputs[key].CopyFrom(value)
    status, told = code(lambda: grpc_server.predict(asked))
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(why, told), told


def spec(**parts: Any) -> predict_pb2.PredictRequest:
    asked = request({"country": ["nl"]})
    for key, value in parts.items():
        if key == "version":
            asked.model_spec.version.value = value
        else:
            setattr(asked.model_spec, key, value)
    return asked


def test_what_is_not_served_is_not_found(grpc_server: Hosted) -> None:
    not_found, invalid = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT
    assert grpc_server.predict(spec(version=7)).model_spec.version.value == 7
    assert code(lambda: grpc_server.predict(spec(version=8))) == (
        not_found,
        "version 8 of 'toy' is not served, version 7 is",
    )
    assert code(lambda: grpc_server.predict(spec(name="other")))[0] is not_found
    assert code(lambda: grpc_server.predict(spec(version_label="canary")))[0] is not_found
    assert code(lambda: grpc_server.predict(spec(name="")))[0] is invalid
    assert code(lambda: grpc_server.predict(spec(signature_name="embed")))[0] is invalid
    counted = grpc_server.metrics.registry.get_sample_value(
        "tfrs_serving_requests_total", {"model": "toy", "code": "NOT_FOUND"}
    )
    assert counted == 2


def test_a_message_that_is_too_large_is_refused(grpc_server: Hosted) -> None:
    large = request({"country": ["x" * 200_000]})
    assert code(lambda: grpc_server.predict(large))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
