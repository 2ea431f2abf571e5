"""Reads the signatures of a SavedModel in the form of TensorFlow Serving's metadata API."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

CANDIDATE_IDS, QUERY_IDS = "candidate_ids", "query_ids"
"""Outputs of signatures that rank, best first."""


@dataclass(frozen=True)
class Ranking:
    """What a signature ranks.

    Attributes:
        output: name of the output with the ids.
        width: number of ids for each row of a request.
    """

    output: str
    width: int


def signature_definitions(model: Path) -> dict[str, Any]:
    """SignatureDef of each signature of a SavedModel as JSON: dtype, shape and tensor of inputs and outputs.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not a SavedModel.
    """
    content = (model / "saved_model.pb").read_bytes()
    try:
        graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    except (DecodeError, IndexError) as error:
        raise ValueError(f"saved_model.pb is not a SavedModel: {error}") from error
    return {
        name: MessageToDict(signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def defined_inputs(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Dtype and shape of each input of a SignatureDef, in the form of a model's description."""
    return {name: {"dtype": _dtype(tensor), "shape": _shape(tensor)} for name, tensor in definition["inputs"].items()}


def ranking(definition: Mapping[str, Any]) -> Ranking | None:
    """The ids that a signature answers with, a fixed number for each row; None if it does not rank."""
    for output in (CANDIDATE_IDS, QUERY_IDS):
        shape = _shape(definition["outputs"].get(output, {"tensor_shape": {"unknown_rank": True}}))
        if shape is not None and len(shape) == 2 and (width := shape[1]) is not None:
            return Ranking(output, width)
    return None


def _dtype(tensor: Mapping[str, Any]) -> str:
    name: str = tf.dtypes.as_dtype(types_pb2.DataType.Value(tensor["dtype"])).name
    return name


def _shape(tensor: Mapping[str, Any]) -> list[int | None] | None:
    """Sizes of a tensor's dimensions, None for any size; None if the number of dimensions may be any."""
    shape = tensor["tensor_shape"]
    if shape["unknown_rank"]:
        return None
    sizes = [int(dimension["size"]) for dimension in shape["dim"]]
    return [None if size < 0 else size for size in sizes]
