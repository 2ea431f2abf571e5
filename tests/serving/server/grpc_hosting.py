"""A gRPC server in a thread of the test, with the HTTP application in the same event loop."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.server.grpc_server import GrpcOptions, GrpcServer
from serving.server.rest import create_app
from serving.server.server_metrics import ServerMetrics
from tests.serving.server.asgi import call


@dataclass(frozen=True)
class Hosted:
    """A server and a stock client of it."""

    loop: asyncio.AbstractEventLoop
    server: GrpcServer
    channel: grpc.Channel
    metrics: ServerMetrics
    app: Any

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs something in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def predict(self, request: predict_pb2.PredictRequest, seconds: float = 60) -> Any:
        """Asks as a stock client does."""
        return prediction_service_pb2_grpc.PredictionServiceStub(self.channel).Predict(request, seconds)

    def rest(self, body: Any, path: str) -> Any:
        """Asks over HTTP; status and JSON."""
        return self.run(call(self.app, path, json.dumps(body).encode()))[::2]


def options(port: int = 0, **changes: Any) -> GrpcOptions:
    return GrpcOptions(
        **{
            "host": "127.0.0.1",
            "port": port,
            "max_message_bytes": 100_000,
            "max_rows": 8,
            "max_requests": 50,
            "timeout_seconds": 30.0,
            "idle_seconds": 75.0,
            **changes,
        }
    )


@contextmanager
def hosted(hosts: Mapping[str, Any], **changes: Any) -> Iterator[Hosted]:
    """Serves until the block ends."""
    loop, metrics = asyncio.new_event_loop(), ServerMetrics()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = GrpcServer(hosts, metrics, options(**changes))
    app = create_app(hosts, metrics, max_body_bytes=100_000, max_rows=8, timeout_seconds=30)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            try:
                yield Hosted(loop, server, channel, metrics, app)
            finally:
                asyncio.run_coroutine_threadsafe(server.stop(1), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def request(
    inputs: Mapping[str, Any], *, name: str = "toy", signature: str = "", outputs: tuple[str, ...] = ()
) -> predict_pb2.PredictRequest:
    """A request as the documentation of TensorFlow Serving makes it."""
    asked = predict_pb2.PredictRequest(output_filter=outputs)
    asked.model_spec.name, asked.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        asked.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return asked


def code(ask: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    """Status and message of a request that fails."""
    with pytest.raises(grpc.RpcError) as failed:
        ask()
    return failed.value.code(), failed.value.details()


def waited_for(condition: Callable[[], bool]) -> None:
    """Waits until something is so."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise TimeoutError


def tensor(dtype: int, *sizes: int, **values: Any) -> tensor_pb2.TensorProto:
    """A tensor with the given fields, fitting or not."""
    made = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made
