"""What the processes of tests do: they tell their id, or fail."""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from serving.server.connections import ConnectionLimits
from serving.server.listening import Place, listen
from serving.server.server_metrics import ServerMetrics
from serving.server.sockets import reserved_ports
from serving.server.workers import Workers


def tell(port: int, on_ready: Callable[[str], object]) -> None:
    """Answers `/metrics` with metrics, and every other request with the process's id, which it counts."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    metrics = ServerMetrics()
    metrics.set_state("toy", version=os.getpid(), queued_rows=1, left_aside=0, labels={})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = metrics.exposed() if scope["path"] == "/metrics" else str(os.getpid()).encode()
        if scope["path"] == "/":
            metrics.observe("toy", 200, 0.1)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})

    limits = ConnectionLimits(connections=9, head_seconds=9, body_seconds=9, answer_seconds=9, idle_seconds=9)
    listen(app, Place("127.0.0.1", port, is_shared=True), limits=limits, on_ready=on_ready)


def fail(on_ready: Callable[[str], object]) -> None:
    """Ends before it is ready."""
    sys.exit(7)


def fail_when_ready(on_ready: Callable[[str], object]) -> None:
    """Ends at once, again and again."""
    on_ready("http://x")
    sys.exit(7)


def told(address: str) -> None:
    print(json.dumps(address), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.argv[1] == "tell":
        with reserved_ports("127.0.0.1", [0]) as (port,):
            Workers(partial(tell, port), 2, end_seconds=30).run(told)
    else:
        Workers({"fail": fail, "fail_when_ready": fail_when_ready}[sys.argv[1]], 2, end_seconds=30).run(told)
    Path(sys.argv[2]).write_text("ended")
