"""`serve` with everything at once: two processes, TLS, a token, gRPC and labels."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from components.pusher import PusherParams
from serving.published.promoting import Promoter
from serving.server.access import Tls
from tests.components.tiny_world import make_world
from tests.pipeline.serving_process import free_ports, index, publish
from tests.serving.server.certificates import make_certificate
from tests.serving.server.grpc_hosting import request
from tests.serving.server.worker_ids import worker_ids

pytestmark = pytest.mark.slow
SECRET = "s3cret-token"
PREDICT = "/v1/models/toy{}:predict"


class Running:
    """A server and its clients."""

    def __init__(self, directory: Path, tls: Tls, log: Path) -> None:
        self.port, self.grpc_port = free_ports(2)
        self.tls, self.log = tls, log
        ports = ["--port", str(self.port), "--grpc-port", str(self.grpc_port), "--poll-seconds", "0.2"]
        access = ["--tls-cert", str(tls.certificate), "--tls-key", str(tls.key), "--token-env", "TOY_TOKEN"]
        command = [sys.executable, "-m", "pipeline", "serve", "toy", "--models", str(directory), "--processes", "2"]
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, *ports, *access], stderr=stderr, env={**os.environ, "TOY_TOKEN": SECRET}
            )

    def ask(self, path: str, body: Any = None, token: str = SECRET) -> tuple[int, Any]:
        """Asks over HTTP, with a connection of its own."""
        asked = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}"},
        )
        trusting = ssl.create_default_context(cafile=self.tls.certificate)
        try:
            with urllib.request.urlopen(asked, timeout=60, context=trusting) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def predict(self, token: str) -> Any:
        """Asks over gRPC."""
        asked = request({"history": [["c00001"]]})
        asked.model_spec.version_label = "stable"
        credentials = grpc.ssl_channel_credentials(self.tls.certificate.read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{self.grpc_port}", credentials) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            return stub.Predict(asked, 60, (("authorization", f"Bearer {token}"),))


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    model = index(make_world(tmp_path / "world"), tmp_path / "model", 5)
    publisher = publish(tmp_path, PusherParams(directory=tmp_path / "serving", name="toy"), model)
    Promoter(publisher.directory, "toy").promote(publisher.versions()[0].version, "stable")
    running = Running(tmp_path / "serving", make_certificate(tmp_path / "tls"), tmp_path / "log")
    wait_until(lambda: "ready:" in running.log.read_text() or running.process.poll() is not None)
    assert running.process.poll() is None, running.log.read_text()
    yield running
    running.process.terminate()
    running.process.wait(90)


def test_processes_with_tls_and_a_token_outlive_a_killed_one(server: Running) -> None:
    body = {"instances": [{"history": ["c00001"]}]}
    status, answer = server.ask(PREDICT.format("/labels/stable"), body)
    assert status == 200
    ids = server.predict(SECRET).outputs["candidate_ids"].string_val
    assert [name.decode() for name in ids] == answer["predictions"][0]["candidate_ids"]
    assert server.ask(PREDICT.format(""), body, token="other")[0] == 401
    with pytest.raises(grpc.RpcError) as refused:
        server.predict("other")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    killed, *_ = before = sorted(worker_ids(server.process.pid))
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in worker_ids(server.process.pid))
    assert all(server.ask(PREDICT.format(""), body)[0] == 200 for _ in range(8))
    wait_until(lambda: server.log.read_text().count("gRPC: ") == 3)  # the one in its place answers
    assert len(worker_ids(server.process.pid) | set(before)) == 3
    server.process.terminate()
    assert server.process.wait(90) == 0
    log = server.log.read_text()
    assert "was ended by signal 9; starting another" in log
    assert "Traceback" not in log
    assert SECRET not in log
