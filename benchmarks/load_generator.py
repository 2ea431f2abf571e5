"""A bounded load generator for the serving benchmark, in a process of its own: HTTP/1.1 over kept connections.

Reads a JSON task from standard input: `port`, `path`, `bodies` (of requests, sent in turn), `connections`, `seconds`,
and `rate`. Without a rate the loop is closed: every connection sends its next request when it has its answer. With one
it is open: requests are due at fixed times, whatever the server does, and the time of each counts from when it was due.
SIGTERM ends it earlier. Prints JSON: `requests`, `seconds`, `errors` (by status or exception), and `latencies_ms`.
"""

import asyncio
import itertools
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import uvloop


class Load:
    """What is sent, and what came of it."""

    def __init__(self, *, port: int, path: str, bodies: Sequence[str], end: float) -> None:
        self.port, self.end = port, end
        self.requests = itertools.cycle([_request(path, body.encode()) for body in bodies])
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()

    def stop(self) -> None:
        """No further request is sent."""
        self.end = 0

    async def connection(self, due: Iterator[float] | None) -> None:
        """Sends one request after the other, at the times it takes from `due` if there are any."""
        streams = None
        while True:
            began = time.perf_counter() if due is None else next(due)
            if began >= self.end:
                break
            await asyncio.sleep(began - time.perf_counter())
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                status = await _exchange(*streams, next(self.requests))
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


async def run(task: dict[str, Any]) -> dict[str, Any]:
    """Puts the load on the server for as long as the task says."""
    began = time.perf_counter()
    load = Load(port=task["port"], path=task["path"], bodies=task["bodies"], end=began + task["seconds"])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop)
    rate = task.get("rate")
    due = None if rate is None else (began + number / rate for number in itertools.count())
    await asyncio.gather(*(load.connection(due) for _ in range(task["connections"])))
    return {
        "requests": len(load.latencies),
        "seconds": time.perf_counter() - began,
        "errors": dict(load.errors),
        "latencies_ms": load.latencies,
    }


if __name__ == "__main__":
    uvloop.install()
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
