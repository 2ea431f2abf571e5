"""HTTP connections with deadlines, so that idle or slow clients cannot keep others out.

A client has some seconds to send the head of a request, and some to send the body. A connection may stay idle between
two requests for a while. When all allowed connections are open, a new connection replaces the one that has been idle
the longest. If no connection is idle, the server answers the new one with 503.
"""

import asyncio
import resource
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dataplane.errors import ConfigError

_MOST_HEAD_BYTES = 65_536
_FLUSH_SECONDS = 5.0  # a client has this long to read its last answer
_OTHER_DESCRIPTORS = 256  # model files, the log, threads' pipes, and a burst of connections not yet counted


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits on what clients may hold.

    Attributes:
        connections: the most connections that are open at the same time.
        head_seconds: time to send the head of a request, counted from the connection or from the head's first byte.
            With TLS, the handshake before it has the same time.
        body_seconds: time to send the body.
        answer_seconds: time from the end of the request to the end of its answer.
        idle_seconds: time between an answer and the next request.
    """

    connections: int
    head_seconds: float
    body_seconds: float
    answer_seconds: float
    idle_seconds: float


class _Stage(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    IDLE = auto()
    CLOSING = auto()


class BoundedConnection(HttpToolsProtocol):
    """Uvicorn's HTTP connection with limits."""

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stage, self._since = _Stage.HEAD, time.monotonic()
        self._deadline = self.loop.time() + limits.head_seconds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts a client; closes an idle connection if too many are open."""
        super().connection_made(transport)
        self._enter(_Stage.HEAD, self._limits.head_seconds)
        if len(self.connections) > self._limits.connections and not self._make_room():
            self._refuse(503, b"Service Unavailable", b"too many connections are open; try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the deadline."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Passes on what the client sends; refuses a head that is too large."""
        if self._stage is _Stage.CLOSING:
            return
        if self._stage is _Stage.IDLE:
            self._enter(_Stage.HEAD, self._limits.head_seconds)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._stage is _Stage.HEAD and self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, b"Request Header Fields Too Large", b"the head of the request is too large")

    def on_headers_complete(self) -> None:
        """Starts the time limit of the body."""
        super().on_headers_complete()
        self._enter(_Stage.BODY, self._limits.body_seconds)

    def on_message_complete(self) -> None:
        """Starts the time limit of the answer."""
        super().on_message_complete()
        self._after_message()

    def on_response_complete(self) -> None:
        """Starts the time limit until the next request."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._enter(_Stage.CLOSING, _FLUSH_SECONDS)
        elif self._stage is _Stage.ANSWER:  # otherwise the rest of the body is still to come, with its own deadline
            self._after_message()

    def _after_message(self) -> None:
        if self.pipeline or not self.cycle.response_complete:
            self._enter(_Stage.ANSWER, self._limits.answer_seconds)
        else:
            self._enter(_Stage.IDLE, self._limits.idle_seconds)

    def _enter(self, stage: _Stage, seconds: float) -> None:
        self._stage, self._head_bytes = stage, 0
        self._since = time.monotonic()  # the loop's clock counts whole milliseconds, too coarse to say which was first
        self._deadline = self.loop.time() + seconds
        # A timer that fires before the deadline checks again; that is cheaper than a new timer for every stage.
        if self._timer is None or self._timer.when() > self._deadline:
            self._watch()

    def _watch(self) -> None:
        """Ends the connection if its deadline has passed; otherwise checks again at the deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._watch)
        elif self._stage is _Stage.HEAD and self._head_bytes:
            self._refuse(408, b"Request Timeout", b"the head of the request took too long")
        else:
            self.transport.abort()

    def _refuse(self, code: int, phrase: bytes, reason: bytes) -> None:
        body = b'{"error":"' + reason + b'"}'
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (code, phrase, len(body)) + body)
        self.transport.close()
        self._enter(_Stage.CLOSING, _FLUSH_SECONDS)

    def _make_room(self) -> bool:
        """Ends the connection that has waited the longest for a request; False if none waits."""
        waiting = [
            other
            for other in self.connections
            if isinstance(other, BoundedConnection)
            and other is not self
            and other._stage in (_Stage.IDLE, _Stage.HEAD)
            and not other.transport.is_closing()
        ]
        if not waiting:
            return False
        min(waiting, key=lambda other: other._since).transport.abort()
        return True


def connection_limit(asked: int) -> int:
    """Raises the soft limit of open files if the connections need more; returns `asked`.

    Args:
        asked: the wanted number of connections.

    Raises:
        ConfigError: the hard limit of open files is too low for so many connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = asked + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ConfigError(
                f"--max-connections: {asked} connections need {needed} open files, this process may have {hard}; "
                f"allow up to {max(0, hard - _OTHER_DESCRIPTORS)}"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return asked
