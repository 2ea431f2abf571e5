"""TensorFlow Serving's services over real models, asked by stock clients."""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from dataplane.errors import RunError
from models.spec.features import MISSING_TIMESTAMP
from serving.model.descriptions import InputSpec
from tests.serving.server.asgi import call
from tests.serving.server.grpc_hosting import Hosted, code, hosted, request, tensor, waited_for

ROWS: Mapping[str, tuple[Sequence[Any], Any]] = {
    "country": (["nl", "é"], np.array(["nl", "é"], object)),
    "age": ([30, None], np.array([30, np.nan], np.float32)),
    "joined": ([1_700_000_000, None], np.array([1_700_000_000, MISSING_TIMESTAMP], np.int64)),
    "tags": ([["a", "?"], []], np.array([["a", "?"], ["", ""]], object)),
    "taste": ([[0.5, -1], None], np.array([[0.5, -1], [np.nan, np.nan]], np.float32)),
    "history": ([["c00001", "c00007"], ["c00002"]], np.array([["c00001", "c00007"], ["c00002", ""]], object)),
    "candidate_id": (["c00003", "nobody"], np.array(["c00003", "nobody"], object)),
    "candidate_ids": ([["c00003", "c00004"], ["nobody"]], np.array([["c00003", "c00004"], ["nobody", ""]], object)),
    "exclude_ids": ([["c00003"], ["c00009"]], np.array([["c00003"], ["c00009"]], object)),
}
"""Two rows of each input, as JSON and as a tensor."""


def signatures(server: Hosted, name: str) -> Mapping[str, Mapping[str, InputSpec]]:
    return server.server.hosts[name].current.interface.signatures


@pytest.mark.parametrize("name", ["toy", "toy-scann"])
def test_every_signature_is_answered_as_over_http(grpc_server: Hosted, name: str) -> None:
    for signature, specs in signatures(grpc_server, name).items():
        given = [key for key in specs if key in ROWS]
        answer = grpc_server.predict(request({key: ROWS[key][1] for key in given}, name=name, signature=signature))
        assert (answer.model_spec.name, answer.model_spec.version.value) == (name, 7)
        assert answer.model_spec.signature_name == signature
        body = {"signature_name": signature, "inputs": {key: ROWS[key][0] for key in given}}
        status, over_http = grpc_server.rest(body, f"/v1/models/{name}:predict")
        assert status == 200
        expected = over_http["outputs"]
        if len(answer.outputs) == 1:
            expected = {next(iter(answer.outputs)): expected}
        assert set(answer.outputs) == set(expected)
        for output, found in answer.outputs.items():
            values = tf.make_ndarray(found)
            if values.dtype == object:
                assert [[text.decode() for text in row] for row in values] == expected[output], (signature, output)
            else:
                np.testing.assert_allclose(values, np.array(expected[output]), rtol=1e-5, atol=1e-6)


def test_requests_in_tensors_and_in_json_share_a_batch(grpc_server: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = grpc_server.server.hosts["toy"].current.batcher
    gate, batches, run = threading.Event(), list[int](), batcher._run
    monkeypatch.setattr(batcher, "_on_batch", batches.append)
    monkeypatch.setattr(batcher, "_run", lambda items: run(items) if gate.wait(60) else [])
    asked = request({"history": ROWS["history"][1]})
    body = json.dumps({"inputs": {"history": ROWS["history"][0]}}).encode()
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc_server.channel)
    alone = stub.Predict.future(asked, 60)
    waited_for(lambda: batcher._running == 1)
    joined = stub.Predict.future(asked, 60)
    over_http = asyncio.run_coroutine_threadsafe(
        call(grpc_server.app, "/v1/models/toy:predict", body), grpc_server.loop
    )
    waited_for(lambda: batcher.queued_rows == 4)
    gate.set()
    outputs = [future.result(60).outputs["candidate_ids"] for future in (alone, joined)]
    ids = [[text.decode() for text in row] for row in tf.make_ndarray(outputs[0])]
    assert outputs[0] == outputs[1]
    assert over_http.result(60)[2]["outputs"]["candidate_ids"] == ids
    assert batches == [2, 4]


def test_texts_that_are_left_out_of_a_tensor_are_empty(grpc_server: Hosted) -> None:
    asked = request({"history": [["c00001"]]})
    full, bare = predict_pb2.PredictRequest(), predict_pb2.PredictRequest()
    full.CopyFrom(asked)
    bare.CopyFrom(asked)
    full.inputs["country"].CopyFrom(tf.make_tensor_proto([""]))
    bare.inputs["country"].CopyFrom(tensor(types_pb2.DT_STRING, 1))
    assert grpc_server.predict(full) == grpc_server.predict(bare)


def test_numbers_and_texts_are_in_the_fields_that_clients_of_tensorflow_serving_read(grpc_server: Hosted) -> None:
    answer = grpc_server.predict(request({"history": [["c00001"]]}))
    assert len(answer.outputs["scores"].float_val) == len(answer.outputs["candidate_ids"].string_val) == 8
    assert not answer.outputs["scores"].tensor_content


def test_answers_have_the_outputs_that_are_asked_for(grpc_server: Hosted) -> None:
    answer = grpc_server.predict(request({"history": [["c00001"]]}, outputs=("scores",)))
    assert list(answer.outputs) == ["scores"]
    for wanted, why in ((("score",), "no output 'score'; there is "), (("scores", "scores"), "twice")):
        status, told = code(lambda: grpc_server.predict(request({"history": [["c00001"]]}, outputs=wanted)))  # noqa: B023
        assert status is grpc.StatusCode.INVALID_ARGUMENT
        assert why in told


def test_metadata_are_those_of_the_saved_model(grpc_server: Hosted, exported: Path) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc_server.channel)
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "toy"
    answer = stub.GetModelMetadata(asked, 60)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("toy", 7)
    found = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    content = (exported / "exact" / "1" / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    assert set(found.signature_def) == set(signatures(grpc_server, "toy"))
    for name, definition in found.signature_def.items():
        assert definition == graph.signature_def[name]
    del asked.metadata_field[:]
    assert code(lambda: stub.GetModelMetadata(asked, 60))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_states_are_told(grpc_server: Hosted) -> None:
    stub = model_service_pb2_grpc.ModelServiceStub(grpc_server.channel)
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "toy"
    (state,) = stub.GetModelStatus(asked, 60).model_version_status
    assert (state.version, state.state, state.status.error_code) == (7, state.AVAILABLE, 0)
    asked.model_spec.version.value = 8
    assert code(lambda: stub.GetModelStatus(asked, 60))[0] is grpc.StatusCode.NOT_FOUND


def test_methods_for_other_models_are_not_implemented(grpc_server: Hosted) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc_server.channel)
    models = model_service_pb2_grpc.ModelServiceStub(grpc_server.channel)
    for ask in (
        lambda: stub.Classify(classification_pb2.ClassificationRequest(), 60),
        lambda: stub.Regress(regression_pb2.RegressionRequest(), 60),
        lambda: stub.MultiInference(inference_pb2.MultiInferenceRequest(), 60),
        lambda: models.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), 60),
    ):
        assert code(ask)[0] is grpc.StatusCode.UNIMPLEMENTED


def test_health_is_told_until_the_server_ends(grpc_server: Hosted) -> None:
    hosts = grpc_server.server.hosts
    with hosted(hosts) as running:
        stub = health_pb2_grpc.HealthStub(running.channel)
        for service in ("", "tensorflow.serving.PredictionService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), 60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watching = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        states = [next(watching).status]
        running.run(running.server.stop(0.5))
        states.append(next(watching).status)
        assert states == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]


def test_a_port_that_is_taken_is_told(grpc_server: Hosted) -> None:
    hosts = grpc_server.server.hosts
    with hosted(hosts) as running:
        port = running.server.port
        with pytest.raises(RunError, match=f"cannot listen for gRPC on 127.0.0.1:{port}"), hosted(hosts, port=port):
            pass
