"""Warm-up requests: a server sends them to a model that it has loaded before the model answers users."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from dataplane.files.tf_records import record_batches
from models.spec.features import CANDIDATE_ID, HISTORY
from serving.model.descriptions import Inputs, ModelDescription
from serving.model.requests import as_batch, complete_request

FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warm_up(model: Path, description: ModelDescription, *, candidate: str) -> None:
    """Writes one request to every signature into a SavedModel.

    Args:
        model: directory of the SavedModel.
        description: description of the model.
        candidate: id of one of the model's candidates.
    """
    known = {HISTORY: [candidate], CANDIDATE_ID: candidate, "candidate_ids": [candidate], "exclude_ids": [candidate]}
    (model / FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(model / FILE)) as writer:
        for signature in description.signatures:
            inputs = description.inputs(signature)
            given = {name: value for name, value in known.items() if name in inputs}
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=_request(signature, inputs, given))
            )
            writer.write(log.SerializeToString(deterministic=True))


def _request(signature: str, inputs: Inputs, given: Mapping[str, Any]) -> predict_pb2.PredictRequest:
    """A batch of one row; inputs that are not given are missing."""
    batch = as_batch(inputs, [complete_request(inputs, given)])
    kinds = {"string": object, "float32": np.float32, "float64": np.float64, "int64": np.int64}
    tensors = {
        name: tf.make_tensor_proto(np.array(batch[name], kinds[spec.dtype]), dtype=spec.dtype)
        for name, spec in inputs.items()
    }
    return predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(signature_name=signature), inputs=tensors)


def read_warm_up(model: Path) -> list[tuple[str, dict[str, tf.Tensor]]]:
    """Signature and inputs of each warm-up request of a SavedModel."""
    found = []
    for (record,) in (batch.numpy() for batch in record_batches(str(model / FILE), rows=1)):
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        found.append((request.model_spec.signature_name, inputs))
    return found
