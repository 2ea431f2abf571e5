"""Deadlines, full queues and labels over gRPC, with a model that works once it is let."""

import threading
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.model.descriptions import InputSpec
from serving.server.batching import Batcher, BatchingOptions, QueueFullError
from serving.server.predict_json import Interface
from tests.serving.server.grpc_hosting import code, hosted, request, waited_for


class Slow:
    """A model with one thread, which works once it is let."""

    version = 7
    interface = Interface({"serving_default": {"country": InputSpec(dtype="string", shape=(None,))}})
    definitions: Mapping[str, Any] = {"serving_default": {"outputs": {"scores": {}}}}

    def __init__(self) -> None:
        self.let, self.ran = threading.Event(), list[str]()
        self.batcher = Batcher[Any, Any](self._run, BatchingOptions(num_batch_threads=1, wait_ms=0))

    def _run(self, requests: Sequence[Any]) -> list[Any]:
        assert self.let.wait(60)
        self.ran += [asked.rows[0]["country"].decode() for asked in requests]
        return [asked.encoded({"scores": np.ones((1, 1), np.float32)}) for asked in requests]

    async def answer(self, asked: Any) -> Any:
        country = asked.rows[0]["country"]
        if country == b"full":
            raise QueueFullError("9 rows are waiting already")
        if country == b"broken":
            raise ArithmeticError("/secret/path")
        return await self.batcher.submit(asked, key=0, rows=1)


def alone(model: Slow) -> Any:
    """A host of one version."""
    return SimpleNamespace(current=model, served={model.version: model}, labelled={"stable": model}, states=[])


def test_a_request_beyond_its_deadline_never_runs() -> None:
    model = Slow()
    with hosted({"toy": alone(model)}, timeout_seconds=3) as running:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(running.channel)
        first = stub.Predict.future(request({"country": ["first"]}), 60)
        waited_for(lambda: model.batcher._running == 1)
        deadline = grpc.StatusCode.DEADLINE_EXCEEDED
        assert code(lambda: running.predict(request({"country": ["late"]}), 0.05))[0] is deadline
        assert code(lambda: running.predict(request({"country": ["later"]}))) == (deadline, "no answer within 3 s")
        assert first.exception(60).code() is deadline
        model.let.set()
        assert running.predict(request({"country": ["last"]})).outputs["scores"].float_val == [1.0]
    assert model.ran == ["first", "last"]


def test_a_version_is_asked_for_by_its_label() -> None:
    model = Slow()
    model.let.set()
    with hosted({"toy": alone(model)}) as running:
        asked = request({"country": ["nl"]})
        asked.model_spec.version_label = "stable"
        answer = running.predict(asked)
        assert (answer.model_spec.version.value, answer.model_spec.version_label) == (7, "")
        asked.model_spec.version_label = "canary"
        assert code(lambda: running.predict(asked))[0] is grpc.StatusCode.NOT_FOUND
    labels = {"model": "toy", "label": "stable", "code": "OK"}
    assert running.metrics.registry.get_sample_value("tfrs_serving_label_requests_total", labels) == 1


def test_a_full_queue_and_an_error_of_ours_are_told_apart() -> None:
    with hosted({"toy": alone(Slow())}) as running:
        full = code(lambda: running.predict(request({"country": ["full"]})))
        assert full == (grpc.StatusCode.UNAVAILABLE, "9 rows are waiting already")
        broken = code(lambda: running.predict(request({"country": ["broken"]})))
        assert broken == (grpc.StatusCode.INTERNAL, "the server failed to answer; its log says why")
