"""The load generator over gRPC, with a channel for each connection; it sends the instances of the bodies as tensors."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.harness.processes import answer
from benchmarks.serving.load_generator import sent
from benchmarks.serving.tasks import Load, Outcome, Question


class Generator:
    """Sends requests and counts what comes of them."""

    def __init__(self, load: Load, *, end: float) -> None:
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self._port, self._end = load.port, end
        model = load.path.removeprefix("/v1/models/").removesuffix(":predict")
        questions = (Question.model_validate(json.loads(body)["instances"][0]) for body in load.bodies)
        self._requests = itertools.cycle([_request(model, question) for question in questions])

    def stop(self) -> None:
        """Sends no further request."""
        self._end = 0

    async def connection(self, due: Iterator[float] | None) -> None:
        """Sends one request after the other, at the times in `due` if there are any."""
        options = [("grpc.use_local_subchannel_pool", 1)]  # otherwise channels share a connection
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self._port}", options=options) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while True:
                began = time.perf_counter() if due is None else next(due)
                if began >= self._end:
                    return
                await asyncio.sleep(began - time.perf_counter())
                try:
                    await stub.Predict(next(self._requests))
                except grpc.RpcError as error:
                    self.errors[error.code().name] += 1
                else:
                    self.latencies.append(1000 * (time.perf_counter() - began))


def _request(model: str, question: Question) -> predict_pb2.PredictRequest:
    age = np.nan if question.age is None else question.age
    inputs = {
        "country": np.array([question.country], object),
        "age": np.array([age], np.float32),
        "device": np.array([question.device], object),
        "history": np.array([question.history], object).reshape(1, len(question.history)),
    }
    tensors = {name: tf.make_tensor_proto(value) for name, value in inputs.items() if value.size}
    request = predict_pb2.PredictRequest(inputs=tensors)
    request.model_spec.name = model
    return request


def send(load: Load) -> Outcome:
    """Puts the load on the server."""
    return sent(load, Generator)


if __name__ == "__main__":
    answer(Load, send)
