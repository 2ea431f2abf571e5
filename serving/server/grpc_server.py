"""The gRPC server beside the HTTP server, in the same event loop, so that requests of both share batches."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from dataplane.errors import RunError
from serving.server.access import REFUSAL, Access
from serving.server.grpc_services import ModelService, PredictionService
from serving.server.model_host import ModelHost
from serving.server.server_metrics import ServerMetrics

_LOG = logging.getLogger(__name__)
_ANYBODY = Access()
_SERVICES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
"""Names that clients may ask the health of; the empty one stands for the server."""


@dataclass(frozen=True)
class GrpcOptions:
    """Where the gRPC server listens, and its limits.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 stands for any free one.
        max_message_bytes: larger requests get RESOURCE_EXHAUSTED.
        max_rows: requests with more rows get INVALID_ARGUMENT.
        max_requests: the most requests at the same time; further ones get RESOURCE_EXHAUSTED.
        timeout_seconds: requests that take longer get DEADLINE_EXCEEDED, as those beyond their own deadline do.
        idle_seconds: a connection without a request is closed after this time.
        access: who may ask.
        is_shared: whether other processes listen on the port as well.
    """

    host: str
    port: int
    max_message_bytes: int
    max_rows: int
    max_requests: int
    timeout_seconds: float
    idle_seconds: float
    access: Access = _ANYBODY
    is_shared: bool = False


class _WithToken(grpc.aio.ServerInterceptor):
    """Refuses requests without the token; probes of health need none."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        """Returns the handler of a request, or one that refuses it."""
        given = dict(details.invocation_metadata or ()).get("authorization")
        if details.method.startswith("/grpc.health.v1.") or self._access.admits(given):
            return await continuation(details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(_: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)


class GrpcServer:
    """Answers with TensorFlow Serving's services and gRPC's health service.

    Attributes:
        hosts: models by name.
        port: the port once it is open.
    """

    def __init__(self, hosts: Mapping[str, ModelHost], metrics: ServerMetrics, options: GrpcOptions) -> None:
        self.hosts, self.port = hosts, options.port
        self._metrics, self._options = metrics, options
        self._server: Any = None
        self._health: Any = None

    async def start(self) -> None:
        """Opens the port.

        Raises:
            RunError: the port cannot be opened.
        """
        options = self._options
        self._server = grpc.aio.server(
            interceptors=[] if options.access.token is None else [_WithToken(options.access)],
            options=_settings(options),
            maximum_concurrent_rpcs=options.max_requests,
        )
        prediction = PredictionService(
            self.hosts, self._metrics, max_rows=options.max_rows, timeout_seconds=options.timeout_seconds
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(self.hosts), self._server)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in _SERVICES:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            self.port = self._open(f"{host}:{options.port}")
        except RuntimeError:
            raise RunError(f"cannot listen for gRPC on {host}:{options.port}; is another server there?") from None
        await self._server.start()
        _LOG.info("gRPC: %s:%d", host, self.port)

    def _open(self, address: str) -> int:
        tls = self._options.access.tls
        if tls is None:
            port: int = self._server.add_insecure_port(address)
        else:
            pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
            port = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        return port

    async def stop(self, seconds: float) -> None:
        """Refuses new requests, and waits for those under way.

        Args:
            seconds: the longest time to wait.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(seconds)


def _settings(options: GrpcOptions) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", 65_536),
        ("grpc.max_concurrent_streams", options.max_requests),
        ("grpc.max_connection_idle_ms", int(options.idle_seconds * 1000)),
        ("grpc.so_reuseport", int(options.is_shared)),  # by default servers share ports, and say nothing
    ]
