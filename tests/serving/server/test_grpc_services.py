"""TensorFlow Serving's services over real models, asked by stock clients."""

import asyncio
import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow.core.framework import tensor_pb2, types_pb2
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
from serving.published.local_versions import LocalVersions
from serving.server.model_host import ModelHost
from tests.serving.server.asgi import call
from tests.serving.server.asking import JOINED
from tests.serving.server.grpc_hosting import Hosted, code, hosted, request, waited_for

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


@pytest.fixture(scope="module")
def server(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    root = tmp_path_factory.mktemp("serving")
    for name, kind in (("toy", "exact"), ("toy-scann", "scann")):
        shutil.copytree(exported / kind / "1", root / name / "7")
    hosts = {name: ModelHost(LocalVersions(root, "toy"), name, JOINED) for name in ("toy", "toy-scann")}
    with hosted(hosts) as running:
        yield running


def signatures(server: Hosted, name: str) -> Mapping[str, Mapping[str, InputSpec]]:
    return server.server.hosts[name].current.interface.signatures


@pytest.mark.parametrize("name", ["toy", "toy-scann"])
def test_every_signature_is_answered_as_over_http(server: Hosted, name: str) -> None:
    for signature, specs in signatures(server, name).items():
        given = [key for key in specs if key in ROWS]
        answer = server.predict(request({key: ROWS[key][1] for key in given}, name=name, signature=signature))
        assert (answer.model_spec.name, answer.model_spec.version.value) == (name, 7)
        assert answer.model_spec.signature_name == signature
        body = {"signature_name": signature, "inputs": {key: ROWS[key][0] for key in given}}
        status, over_http = server.rest(body, f"/v1/models/{name}:predict")
        assert status == 200
        expected = over_http["outputs"]
        if len(answer.outputs) == 1:
            expected = {next(iter(answer.outputs)): expected}
        assert set(answer.outputs) == set(expected)
        for output, tensor in answer.outputs.items():
            values = tf.make_ndarray(tensor)
            if values.dtype == object:
                assert [[text.decode() for text in row] for row in values] == expected[output], (signature, output)
            else:
                np.testing.assert_allclose(values, np.array(expected[output]), rtol=1e-5, atol=1e-6)


def test_requests_in_tensors_and_in_json_share_a_batch(server: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = server.server.hosts["toy"].current.batcher
    gate, batches, run = threading.Event(), list[int](), batcher._run
    monkeypatch.setattr(batcher, "_on_batch", batches.append)
    monkeypatch.setattr(batcher, "_run", lambda items: run(items) if gate.wait(60) else [])
    asked = request({"history": ROWS["history"][1]})
    body = json.dumps({"inputs": {"history": ROWS["history"][0]}}).encode()
    stub = prediction_service_pb2_grpc.PredictionServiceStub(server.channel)
    alone = stub.Predict.future(asked, 60)
    waited_for(lambda: batcher._running == 1)
    joined = stub.Predict.future(asked, 60)
    over_http = asyncio.run_coroutine_threadsafe(call(server.app, "/v1/models/toy:predict", body), server.loop)
    waited_for(lambda: batcher.queued_rows == 4)
    gate.set()
    outputs = [future.result(60).outputs["candidate_ids"] for future in (alone, joined)]
    ids = [[text.decode() for text in row] for row in tf.make_ndarray(outputs[0])]
    assert outputs[0] == outputs[1]
    assert over_http.result(60)[2]["outputs"]["candidate_ids"] == ids
    assert batches == [2, 4]


def test_texts_that_are_left_out_of_a_tensor_are_empty(server: Hosted) -> None:
    asked = request({"history": [["c00001"]]})
    full, bare = predict_pb2.PredictRequest(), predict_pb2.PredictRequest()
    full.CopyFrom(asked)
    bare.CopyFrom(asked)
    full.inputs["country"].CopyFrom(tf.make_tensor_proto([""]))
    bare.inputs["country"].CopyFrom(tensor(types_pb2.DT_STRING, 1))
    assert server.predict(full) == server.predict(bare)


def test_numbers_and_texts_are_in_the_fields_that_clients_of_tensorflow_serving_read(server: Hosted) -> None:
    answer = server.predict(request({"history": [["c00001"]]}))
    assert len(answer.outputs["scores"].float_val) == len(answer.outputs["candidate_ids"].string_val) == 8
    assert not answer.outputs["scores"].tensor_content


def test_answers_have_the_outputs_that_are_asked_for(server: Hosted) -> None:
    answer = server.predict(request({"history": [["c00001"]]}, outputs=("scores",)))
    assert list(answer.outputs) == ["scores"]
    for wanted, why in ((("score",), "no output 'score'; there is "), (("scores", "scores"), "twice")):
        status, told = code(lambda: server.predict(request({"history": [["c00001"]]}, outputs=wanted)))  # noqa: B023
        assert status is grpc.StatusCode.INVALID_ARGUMENT
        assert why in told


def tensor(dtype: int, *sizes: int, **values: Any) -> tensor_pb2.TensorProto:
    made = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made


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
def test_what_does_not_fit_the_model_is_told(server: Hosted, inputs: Mapping[str, Any], why: str) -> None:
    asked = request({key: value for key, value in inputs.items() if not isinstance(value, tensor_pb2.TensorProto)})
    for key, value in inputs.items():
        if isinstance(value, tensor_pb2.TensorProto):
            asked.inputs[key].CopyFrom(value)
    status, told = code(lambda: server.predict(asked))
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


def test_what_is_not_served_is_not_found(server: Hosted) -> None:
    not_found, invalid = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT
    assert server.predict(spec(version=7)).model_spec.version.value == 7
    assert code(lambda: server.predict(spec(version=8))) == (
        not_found,
        "version 8 of 'toy' is not served, version 7 is",
    )
    assert code(lambda: server.predict(spec(name="other")))[0] is not_found
    assert code(lambda: server.predict(spec(version_label="canary")))[0] is not_found
    assert code(lambda: server.predict(spec(name="")))[0] is invalid
    assert code(lambda: server.predict(spec(signature_name="embed")))[0] is invalid
    counted = server.metrics.registry.get_sample_value(
        "tfrs_serving_requests_total", {"model": "toy", "code": "NOT_FOUND"}
    )
    assert counted == 2


def test_a_message_that_is_too_large_is_refused(server: Hosted) -> None:
    large = request({"country": ["x" * 200_000]})
    assert code(lambda: server.predict(large))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_metadata_are_those_of_the_saved_model(server: Hosted, exported: Path) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(server.channel)
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "toy"
    answer = stub.GetModelMetadata(asked, 60)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("toy", 7)
    found = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    content = (exported / "exact" / "1" / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    assert set(found.signature_def) == set(signatures(server, "toy"))
    for name, definition in found.signature_def.items():
        assert definition == graph.signature_def[name]
    del asked.metadata_field[:]
    assert code(lambda: stub.GetModelMetadata(asked, 60))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_states_are_told(server: Hosted) -> None:
    stub = model_service_pb2_grpc.ModelServiceStub(server.channel)
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "toy"
    (state,) = stub.GetModelStatus(asked, 60).model_version_status
    assert (state.version, state.state, state.status.error_code) == (7, state.AVAILABLE, 0)
    asked.model_spec.version.value = 8
    assert code(lambda: stub.GetModelStatus(asked, 60))[0] is grpc.StatusCode.NOT_FOUND


def test_methods_for_other_models_are_not_implemented(server: Hosted) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(server.channel)
    models = model_service_pb2_grpc.ModelServiceStub(server.channel)
    for ask in (
        lambda: stub.Classify(classification_pb2.ClassificationRequest(), 60),
        lambda: stub.Regress(regression_pb2.RegressionRequest(), 60),
        lambda: stub.MultiInference(inference_pb2.MultiInferenceRequest(), 60),
        lambda: models.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), 60),
    ):
        assert code(ask)[0] is grpc.StatusCode.UNIMPLEMENTED


def test_health_is_told_until_the_server_ends(server: Hosted) -> None:
    hosts = server.server.hosts
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


def test_a_port_that_is_taken_is_told(server: Hosted) -> None:
    hosts = server.server.hosts
    with hosted(hosts) as running:
        port = running.server.port
        with pytest.raises(RunError, match=f"cannot listen for gRPC on 127.0.0.1:{port}"), hosted(hosts, port=port):
            pass
