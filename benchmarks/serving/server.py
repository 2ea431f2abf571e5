"""A running `python -m pipeline serve`, and a model of it that is put under load."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.harness.processes import task_process
from benchmarks.serving.tasks import Load, Outcome, Question

LONGEST_CHANGE = 600
"""Seconds that a change under load may take."""


Protocol = Literal["http", "grpc"]
_GENERATORS = {"http": "benchmarks.serving.load_generator", "grpc": "benchmarks.serving.grpc_load_generator"}


@dataclass(frozen=True)
class Batches:
    """What the server's metrics count of a model."""

    count: float
    rows: float

    def since(self, earlier: "Batches") -> float:
        """Mean rows of the batches after an earlier reading."""
        return (self.rows - earlier.rows) / max(self.count - earlier.count, 1)


@dataclass(frozen=True)
class Measured:
    """An outcome, the mean rows of a batch, and the CPU time that a request cost the server alone."""

    outcome: Outcome
    batch: float
    cpu_ms: float


@dataclass(frozen=True)
class Server:
    """A server on the loopback interface."""

    port: int
    grpc_port: int
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of all processes so far."""
        parent = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (parent, *parent.children())]
        return float(sum(of_one.user + of_one.system for of_one in times))

    def version(self, model: str) -> int:
        """The version that a model answers with."""
        return int(json.loads(self.get("/healthz"))["versions"][model])

    def batches(self, model: str) -> Batches:
        """Batches so far."""
        metrics = self.get("/metrics")
        values = (
            re.search(rf'tfrs_serving_batch_rows_{kind}\{{model="{model}"\}} (\S+)', metrics)
            for kind in ("count", "sum")
        )
        return Batches(*(0.0 if value is None else float(value[1]) for value in values))

    def get(self, path: str) -> str:
        """The body of an answer."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return str(response.read().decode())


@dataclass(frozen=True)
class Target:
    """A model of a running server.

    Attributes:
        server: the server.
        model: the model's name.
        questions: requests to send in turn.
        protocol: how they are sent.
    """

    server: Server
    model: str
    questions: Sequence[Question]
    protocol: Protocol = "http"

    def version(self) -> int:
        """The version that the model answers with."""
        return self.server.version(self.model)

    def measure(
        self, *, connections: int, seconds: float, rate: int | None = None, change: Callable[[], None] | None = None
    ) -> Measured:
        """Puts a load on the model for so many seconds, or for as long as `change` takes."""
        before, cpu = self.server.batches(self.model), self.server.cpu_seconds()
        load = Load(
            port=self.server.port if self.protocol == "http" else self.server.grpc_port,
            path=f"/v1/models/{self.model}:predict",
            bodies=[json.dumps({"instances": [question.model_dump(mode="json")]}) for question in self.questions],
            connections=connections,
            rate=rate,
            seconds=seconds if change is None else LONGEST_CHANGE,
        )
        with task_process(_GENERATORS[self.protocol], load) as generator:
            if change is not None:
                change()
                generator.terminate()
            generator.wait()
            outcome = Outcome.model_validate_json(generator.output())
        cpu = self.server.cpu_seconds() - cpu
        batch = self.server.batches(self.model).since(before)
        return Measured(outcome, batch, 1000 * cpu / max(outcome.requests, 1))


@contextmanager
def running_server(root: Path, name: str, *, batch_wait_ms: float, processes: int = 1) -> Iterator[Server]:
    """Serves the models published for the pipeline `name` below `root`."""
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        port, grpc_port = (int(free.getsockname()[1]) for free in (one, other))
    options = ["--root", str(root), "--port", str(port), "--grpc-port", str(grpc_port), "--poll-seconds", "0.5"]
    options += ["--batch-wait-ms", str(batch_wait_ms), "--processes", str(processes)]
    process = subprocess.Popen([sys.executable, "-m", "pipeline", "serve", name, *options])
    server = Server(port, grpc_port, process.pid)
    try:
        _wait_until_it_answers(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", server: Server) -> None:
    for _ in range(3000):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            server.get("/healthz")
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server does not answer after five minutes")
