"""A real MLflow server with SQLite, and runs to log on it."""

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dataplane.beam_runner.addresses import free_port

SERVER = os.environ.get("MLFLOW") or shutil.which("mlflow") or ""
"""The command `mlflow` of an environment with the whole of MLflow; the client alone cannot serve."""


def _whole(command: str) -> bool:
    """Whether a command can serve: its environment has more than the client."""
    if not command:
        return False
    python = Path(command).resolve().with_name("python")
    return (
        subprocess.run([python, "-c", "import mlflow, pandas, aiohttp, alembic"], capture_output=True).returncode == 0
    )


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that keeps everything in a temporary directory."""
    if not _whole(SERVER):
        pytest.skip("needs an MLflow server: MLFLOW=…/bin/mlflow of an environment with `pip install mlflow`")
    directory, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [SERVER, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{directory}/runs.db",
        "--artifacts-destination",
        f"{directory}/files",
    ]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (
        (directory / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server,
    ):
        address = f"http://127.0.0.1:{port}"
        try:
            _wait(address, server, directory / "log")
            yield address
        finally:
            server.terminate()


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text())
