"""The signatures of a SavedModel, as TensorFlow Serving's metadata API tells them."""

from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2


def signature_definitions(model: Path) -> dict[str, Any]:
    """Each signature of a SavedModel as its SignatureDef in JSON: dtype, shape and tensor of inputs and outputs.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a SavedModel.
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
