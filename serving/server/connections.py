"""HTTP connections with deadlines, so that idle or slow clients cannot keep others out.

A connection has to send the head of a request, and then its body, within some seconds; it may stay idle between two
requests for a while. Where there are as many connections as allowed, a new one takes the place of the one that has been
idle the longest; if none is idle, it is answered with 503.
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
_FLUSH_SECONDS = 5.0  # in which a client has to read its last answer
_OTHER_DESCRIPTORS = 256  # files of models and of the log, threads' pipes, a burst of connections not yet counted


@dataclass(frozen=True)
class ConnectionLimits:
    """What clients may hold.

    Attributes:
        connections: open at the same time.
        head_seconds: to send the head of a request, from the connection's or the head's first byte on.
        body_seconds: to send the body.
        answer_seconds: from the whole request to the end of its answer.
        idle_seconds: between an answer and the next request.
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
    """Uvicorn's HTTP connection, held to its limits."""

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stage, self._since = _Stage.HEAD, time.monotonic()
        self._deadline = self.loop.time() + limits.head_seconds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts a client, in the place of an idle one if there are too many."""
        super().connection_made(transport)
        self._enter(_Stage.HEAD, self._limits.head_seconds)
        if len(self.connections) > self._limits.connections and not self._make_room():
            self._refuse(503, b"Service Unavailable", b"too many connections are open; try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the deadlines."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Passes on what the client sends; a head without end is refused."""
        if self._stage is _Stage.CLOSING:
            return
        if self._stage is _Stage.IDLE:
            self._enter(_Stage.HEAD, self._limits.head_seconds)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._stage is _Stage.HEAD and self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, b"Request Header Fields Too Large", b"the head of the request is too large")

    def on_headers_complete(self) -> None:
        """Starts the body's time."""
        super().on_headers_complete()
        self._enter(_Stage.BODY, self._limits.body_seconds)

    def on_message_complete(self) -> None:
        """Starts the answer's time."""
        super().on_message_complete()
        self._after_message()

    def on_response_complete(self) -> None:
        """Starts the time until the next request."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._enter(_Stage.CLOSING, _FLUSH_SECONDS)
        elif self._stage is _Stage.ANSWER:  # else the rest of the request is still to come, and has its deadline
            self._after_message()

    def _after_message(self) -> None:
        if self.pipeline or not self.cycle.response_complete:
            self._enter(_Stage.ANSWER, self._limits.answer_seconds)
        else:
            self._enter(_Stage.IDLE, self._limits.idle_seconds)

    def _enter(self, stage: _Stage, seconds: float) -> None:
        self._stage, self._head_bytes = stage, 0
        self._since = time.monotonic()  # the loop's own clock tells milliseconds only, too few to say who was first
        self._deadline = self.loop.time() + seconds
        # A timer that is due before the deadline looks again then, which is cheaper than a new one for every stage.
        if self._timer is None or self._timer.when() > self._deadline:
            self._watch()

    def _watch(self) -> None:
        """Ends the connection when its deadline is over, or looks again when that will be."""
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
        """Ends the connection that has waited the longest for a request; False if all are being answered."""
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
    """The number of connections that the process can hold; raises its soft limit of open files where it must.

    Args:
        asked: connections that are wanted.

    Raises:
        ConfigError: the hard limit of open files does not allow so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = asked + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ConfigError(
                f"--max-connections: {asked} connections need {needed} open files, this process may have {hard}; "
                f"allowed here: up to {max(0, hard - _OTHER_DESCRIPTORS)}"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return asked
