"""Real sockets against a server whose application answers at once, or after a while."""

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn

from dataplane.errors import ConfigError
from serving.server.connections import BoundedConnection, ConnectionLimits, connection_limit

Receive = Callable[[], Any]
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LIMITS = ConnectionLimits(connections=100, head_seconds=30, body_seconds=30, answer_seconds=30, idle_seconds=30)


async def application(scope: dict[str, Any], receive: Receive, send: Callable[[Any], Any]) -> None:
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    if scope["path"] == "/slow":
        await asyncio.sleep(20)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def served(limits: ConnectionLimits) -> Iterator[Callable[[], socket.socket]]:
    """A running server; gives a function that connects to it."""
    config = uvicorn.Config(
        application,
        http=partial(BoundedConnection, limits=limits),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection(listening.getsockname(), timeout=20))
        return opened[-1]

    try:
        yield connect
    finally:
        for connection in opened:
            connection.close()
        server.should_exit = True
        thread.join()
        listening.close()


def answer(connection: socket.socket, request: bytes = REQUEST) -> bytes:
    connection.sendall(request)
    return connection.recv(10_000)


def is_closed(connection: socket.socket) -> bool:
    """Waits for the server to end a connection; a time-out means that it did not."""
    try:
        return connection.recv(10_000) == b""
    except ConnectionResetError:
        return True


def with_limits(**changes: float) -> ConnectionLimits:
    return ConnectionLimits(**{**vars(LIMITS), **changes})


def test_idle_connections_make_room_for_others() -> None:
    with served(with_limits(connections=5)) as connect:
        silent = [connect() for _ in range(5)]
        for _ in range(20):
            assert b"200 OK" in answer(connect())
        assert all(map(is_closed, silent))


def test_the_connection_that_waited_longest_goes_first() -> None:
    with served(with_limits(connections=3)) as connect:
        first, second, third = connect(), connect(), connect()
        for connection in (first, third, second):
            assert b"200 OK" in answer(connection)
        assert b"200 OK" in answer(connect())
        assert is_closed(first)
        assert b"200 OK" in answer(second)


def test_where_all_are_being_answered_a_new_one_is_told_to_come_back() -> None:
    with served(with_limits(connections=2)) as connect:
        for _ in range(2):
            connect().sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)  # both heads have arrived by then, or the next assertion fails
        refused = connect()
        assert b"503 Service Unavailable" in refused.recv(10_000)
        assert is_closed(refused)


def test_a_head_that_drips_is_ended() -> None:
    with served(with_limits(head_seconds=0.3)) as connect:
        assert is_closed(connect())
        dripping = connect()
        dripping.sendall(b"GET / HT")
        assert b"408 Request Timeout" in dripping.recv(10_000)
        assert is_closed(dripping)
        reused = connect()
        assert b"200 OK" in answer(reused)
        reused.sendall(b"GET / HT")
        assert b"408 Request Timeout" in reused.recv(10_000)


def test_a_body_that_drips_is_ended_also_after_its_answer() -> None:
    with served(with_limits(body_seconds=0.3)) as connect:
        for path in (b"/read", b"/"):
            dripping = connect()
            dripping.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
            if path == b"/":
                assert b"200 OK" in dripping.recv(10_000)
            assert is_closed(dripping)


def test_an_answer_that_takes_too_long_and_an_idle_connection_are_ended() -> None:
    with served(with_limits(answer_seconds=0.3)) as connect:
        slow = connect()
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert is_closed(slow)
    with served(with_limits(idle_seconds=0.3)) as connect:
        idle = connect()
        assert b"200 OK" in answer(idle)
        assert is_closed(idle)


def test_a_head_without_end_is_refused() -> None:
    with served(LIMITS) as connect:
        endless = connect()
        assert b"431 Request Header" in answer(endless, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)
        assert is_closed(endless)


def test_requests_one_behind_the_other_are_all_answered() -> None:
    with served(LIMITS) as connect:
        pipelined = connect()
        pipelined.sendall(REQUEST * 3)
        received = b""
        while received.count(b"200 OK") < 3:
            received += pipelined.recv(10_000)
        assert b"200 OK" in answer(pipelined)


def test_more_connections_than_files_may_be_open_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    soft: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (512, 2000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: soft.append(limits))
    assert connection_limit(100) == 100
    assert soft == []
    assert connection_limit(1000) == 1000
    assert soft == [(1256, 2000)]
    with pytest.raises(ConfigError, match=r"--max-connections: 5000 connections need 5256 open files.*up to 1744"):
        connection_limit(5000)
