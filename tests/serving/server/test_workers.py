"""Several processes behind one port: they share connections and metrics, and start and end together."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dataplane.errors import RunError
from serving.server.sockets import bound_socket, reserved_ports
from tests.paths import PROJECT
from tests.serving.server.worker_ids import worker_ids


class Running:
    """A parent and its processes."""

    def __init__(self, what: str, scratch: Path) -> None:
        self.mark, self.log = scratch / "mark", scratch / "log"
        command = [sys.executable, "-m", "tests.serving.server.worker_target", what, str(self.mark)]
        with self.log.open("wb") as log:
            environment = {**os.environ, "TMPDIR": str(scratch)}  # the metrics of a killed parent stay
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=PROJECT, env=environment
            )

    def address(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        address: str = json.loads(line)
        return address

    def workers(self) -> set[int]:
        """Ids of the processes that serve."""
        return worker_ids(self.process.pid)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    server = Running("tell", tmp_path)
    yield server
    if server.process.poll() is None:
        server.process.terminate()
        server.process.communicate(timeout=60)


def asked(address: str, path: str = "/") -> str:
    with urllib.request.urlopen(address + path, timeout=30) as response:
        body: bytes = response.read()
    return body.decode()


def waited_for(condition: Callable[[], bool]) -> bool:
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_connections_are_spread_and_a_killed_process_is_replaced(running: Running) -> None:
    address = running.address()
    first = running.workers()
    assert len(first) == 2
    assert {int(asked(address)) for _ in range(64)} == first
    metrics = asked(address, "/metrics")
    assert 'requests_total{code="200",model="toy"} 64.0' in metrics
    assert f'model_version{{model="toy"}} {float(min(first))}' in metrics
    assert 'queued_rows{model="toy"} 2.0' in metrics
    killed = min(first)
    os.kill(killed, signal.SIGKILL)
    assert waited_for(lambda: is_gone(killed))  # until then, connections to it are reset
    assert waited_for(lambda: len({int(asked(address)) for _ in range(32)} - first) == 1)
    assert killed not in running.workers()
    log = running.log.read_text()
    assert re.search(r"server process [01] was ended by signal 9; starting another", log)
    after = asked(address, "/metrics")
    counted = re.search(r'requests_total\{code="200",model="toy"\} (\S+)', after)
    assert counted is not None
    assert float(counted[1]) >= 64 + 32  # those of the killed process included
    assert f'model_version{{model="toy"}} {float(min(running.workers()))}' in after
    now = running.workers()
    running.process.terminate()
    assert running.process.wait(60) == 0
    assert running.mark.read_text() == "ended"
    assert all(map(is_gone, now))


def test_the_processes_end_when_their_parent_is_killed(running: Running) -> None:
    running.address()
    workers = running.workers()
    running.process.kill()
    assert waited_for(lambda: all(map(is_gone, workers)))


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("fail", r"server process [01] ended with exit code 7 before it was ready; the log says why"),
        ("fail_when_ready", r"server processes ended 6 times within 600 s, the last ended with exit code 7"),
    ],
)
def test_processes_that_cannot_serve_end_the_server(tmp_path: Path, what: str, why: str) -> None:
    server = Running(what, tmp_path)
    server.process.communicate(timeout=120)
    assert server.process.returncode == 1
    assert re.search(why, server.log.read_text())
    assert not server.mark.exists()


def test_ports_are_kept_for_the_processes_alone() -> None:
    with reserved_ports("127.0.0.1", [0, 0]) as (one, other):
        assert one != other
        with bound_socket("127.0.0.1", one, is_shared=True) as shared:
            shared.listen()
            with pytest.raises(RunError, match=f"cannot listen on 127.0.0.1:{one}: Address already in use"):
                reserved_ports("127.0.0.1", [one]).__enter__()
        with pytest.raises(OSError, match="in use"), socket.create_server(("127.0.0.1", other)):
            pass
