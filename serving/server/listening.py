"""Answers connections with uvicorn until the process is told to end."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from serving.server.connections import BoundedConnection, ConnectionLimits

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


class _Server(uvicorn.Server):
    """Reports its address once it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the port."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._on_ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


def listen(app: ASGIApp, *, host: str, port: int, limits: ConnectionLimits, on_ready: Callable[[str], None]) -> None:
    """Serves an application until the process is interrupted.

    Args:
        app: answers the requests.
        host: address to listen on.
        port: port to listen on; 0 stands for any free one.
        limits: limits on clients.
        on_ready: called with the server's URL once the server accepts connections.

    Raises:
        SystemExit: the port cannot be opened; the log says why.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(BoundedConnection, limits=limits),  # type: ignore[arg-type]
        timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
        **_SETTINGS,
    )
    try:
        _Server(config, on_ready).run()
    except KeyboardInterrupt:
        return
