"""A bounded load generator in a process of its own: HTTP/1.1 over kept connections."""

import asyncio
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

import uvloop

from benchmarks.harness.processes import answer
from benchmarks.serving.tasks import Load, Outcome


class Client(Protocol):
    """Sends requests and counts what comes of them."""

    latencies: list[float]
    errors: Counter[str]

    def stop(self) -> None:
        """Sends no further request."""

    async def connection(self, due: Iterator[float] | None) -> None:
        """Sends one request after the other, at the times in `due` if there are any."""


def sent(load: Load, client: Callable[..., Client]) -> Outcome:
    """Puts a load on the server through a client, made of the load and `end`, the time by `perf_counter`."""
    uvloop.install()
    return asyncio.run(_send(load, client))


async def _send(load: Load, client: Callable[..., Client]) -> Outcome:
    began = time.perf_counter()
    generator = client(load, end=began + load.seconds)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, generator.stop)
    due = None if load.rate is None else (began + number / load.rate for number in itertools.count())
    await asyncio.gather(*(generator.connection(due) for _ in range(load.connections)))
    return Outcome(
        requests=len(generator.latencies),
        seconds=time.perf_counter() - began,
        errors=generator.errors,
        latencies_ms=generator.latencies,
    )


class Generator:
    """Sends requests and counts what comes of them."""

    def __init__(self, load: Load, *, end: float) -> None:
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self._port, self._end = load.port, end
        self._requests = itertools.cycle([_request(load.path, body.encode()) for body in load.bodies])

    def stop(self) -> None:
        """Sends no further request."""
        self._end = 0

    async def connection(self, due: Iterator[float] | None) -> None:
        """Sends one request after the other, at the times in `due` if there are any."""
        streams = None
        while True:
            began = time.perf_counter() if due is None else next(due)
            if began >= self._end:
                break
            await asyncio.sleep(began - time.perf_counter())
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self._port)
                status = await _exchange(*streams, next(self._requests))
            except (OSError, EOFError) as error:
                self.errors[type(error).__name__] += 1
                streams = None
                continue
            if status == 200:
                self.latencies.append(1000 * (time.perf_counter() - began))
            else:
                self.errors[str(status)] += 1
        if streams is not None:
            streams[1].close()


def _request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def send(load: Load) -> Outcome:
    """Puts the load on the server."""
    return sent(load, Generator)


if __name__ == "__main__":
    answer(Load, send)
