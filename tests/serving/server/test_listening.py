"""The port is opened, told, and closed at a scheduler's stop."""

import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.server.access import Tls
from tests.serving.server.certificates import make_certificate

PROGRAM = """
from serving.server.access import Tls
from serving.server.connections import ConnectionLimits
from serving.server.listening import Place, listen

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})

limits = ConnectionLimits(connections=9, head_seconds=4, body_seconds=9, answer_seconds=9, idle_seconds=9)
listen(app, Place("127.0.0.1", PORT, TLS), limits=limits, on_ready=lambda address: print(address, flush=True))
print("ended")
"""


def files(tls: Tls) -> tuple[str, str]:
    return str(tls.certificate), str(tls.key)


@contextmanager
def started(port: int, tls: Tls | None = None) -> Iterator["subprocess.Popen[str]"]:
    program = PROGRAM.replace("PORT", str(port)).replace("TLS", "None" if tls is None else f"Tls{files(tls)}")
    with subprocess.Popen(
        [sys.executable, "-c", program], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_connections_have_tls(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=tls.certificate)
    with started(0, tls) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60, context=trusting) as response:
            assert response.read() == b"here"
        with pytest.raises(OSError, match=r"reset|closed|disconnected|Connection"):
            urllib.request.urlopen(address.replace("https", "http"), timeout=60)
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=50) as silent:
            assert silent.recv(1) == b""  # a client that never shakes hands
        assert time.monotonic() - began < 40


def test_the_address_is_told_once_it_answers_and_an_interrupt_ends_the_server() -> None:
    with started(0) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60) as response:
            assert response.read() == b"here"
        port = int(address.rpartition(":")[2])
        with started(port) as second:
            out, error = second.communicate(timeout=120)
        assert (second.returncode, out) == (3, "")
        assert "address already in use" in error
        process.send_signal(2)
        assert process.communicate(timeout=120)[0] == "ended\n"
        assert process.returncode == 0
