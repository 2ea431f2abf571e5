"""Answers connections with uvicorn, and gRPC beside it, until the process is told to end."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp

from serving.server.access import CIPHERS, Tls
from serving.server.connections import BoundedConnection, ConnectionLimits
from serving.server.sockets import bound_socket

SHUTDOWN_SECONDS = 30
"""Time for requests under way when the process is told to end."""
_SETTINGS: dict[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "ws": "none",
    "lifespan": "off",
    "backlog": 128,  # connections that the kernel accepts before the server does
    "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
}


@dataclass(frozen=True)
class Place:
    """Where a server listens.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 stands for any free one.
        tls: the server's certificate; None for HTTP without TLS.
        is_shared: whether other processes listen on the port as well; each gets a part of the connections.
    """

    host: str
    port: int
    tls: Tls | None = None
    is_shared: bool = False


class OtherServer(Protocol):
    """A server of another protocol in the same event loop."""

    async def start(self) -> object:
        """Accepts connections."""

    async def stop(self, seconds: float) -> None:
        """Refuses new requests, and waits up to so many seconds for those under way."""


class _Server(uvicorn.Server):
    """Reports its address once it accepts connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[str], object],
        others: Sequence[OtherServer],
        handshake_seconds: float,
    ) -> None:
        super().__init__(config)
        self._on_ready, self._others, self._handshake_seconds = on_ready, others, handshake_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the port."""
        if self.config.is_ssl:  # a minute by default, which uvicorn has no setting for
            loop = asyncio.get_running_loop()
            limited = partial(loop.create_server, ssl_handshake_timeout=self._handshake_seconds)
            loop.create_server = limited  # type: ignore[method-assign]
        await super().startup(sockets)
        for other in self._others:
            await other.start()
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        scheme = "https" if self.config.is_ssl else "http"
        self._on_ready(f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Waits for the requests under way of all servers at once."""
        stopped = (other.stop(SHUTDOWN_SECONDS) for other in self._others)
        await asyncio.gather(super().shutdown(sockets), *stopped)


def listen(
    app: ASGIApp,
    place: Place,
    *,
    limits: ConnectionLimits,
    on_ready: Callable[[str], object],
    others: Sequence[OtherServer] = (),
) -> None:
    """Serves an application until the process is interrupted.

    Args:
        app: answers the requests.
        place: where to listen.
        limits: limits on clients.
        on_ready: called with the server's URL once the server accepts connections.
        others: servers to start and stop with it.

    Raises:
        SystemExit: the port cannot be opened; the log says why.
    """
    config = uvicorn.Config(
        app,
        host=place.host,
        port=place.port,
        http=partial(BoundedConnection, limits=limits),  # type: ignore[arg-type]
        timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
        ssl_certfile=None if place.tls is None else place.tls.certificate,
        ssl_keyfile=None if place.tls is None else place.tls.key,
        ssl_ciphers=CIPHERS,
        **_SETTINGS,
    )
    try:
        sockets = [bound_socket(place.host, place.port, is_shared=True)] if place.is_shared else None
        _Server(config, on_ready, others, limits.head_seconds).run(sockets)
    except KeyboardInterrupt:
        return
