"""A small published model behind a real server process on the loopback."""

import atexit
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.pusher import PusherParams
from components.scann_indexer import IndexConfig, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from pipeline.execution.metadata import Execution, Run, Store
from serving.published.publishing import Publisher
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process

AUTO = IndexConfig()


def index(world: World, path: Path, top_k: int, config: IndexConfig = AUTO) -> Path:
    """Exports both models of a world."""
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    outputs = ScannIndexer.Outputs(ServingModel(path))
    ScannIndexer(ScannIndexerParams(top_k=top_k, index=config)).execute(inputs, outputs, in_process())
    return path


def publish(root: Path, params: PusherParams, model: Path) -> Publisher:
    """Publishes both models, with a record below `root` as of a run."""
    publisher = Publisher(params.directory, params.name)
    publisher.publish(exact=model / "exact", scann=model / "scann", keep_versions=5)
    store = Store(root, params.name)
    store.save_run(Run(id="run", config="", pid=0, state="done"))
    (store.directory / "Pusher" / "e").mkdir(parents=True)
    record: dict[str, Any] = {key: {} for key in ("libraries", "facts", "inputs")}
    record |= {"fingerprint": "", "run": "run", "started": "", "params": params.model_dump(mode="json"), "outputs": []}
    store.commit(Execution(node="Pusher", id="e", component="Pusher", seconds=0, **record))
    return publisher


@cache
def models() -> tuple[Path, Path]:
    """Two exports of a small world, made once in this process; nothing changes them."""
    directory = Path(tempfile.mkdtemp(prefix="small-models-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    world = make_world(directory / "world")
    return index(world, directory / "model5", 5), index(world, directory / "model4", 4)


@dataclass(frozen=True)
class Server:
    base: str
    grpc_port: int
    publisher: Publisher
    models: tuple[Path, Path]
    log: Path
    process: "subprocess.Popen[bytes]"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.base + path, timeout=30) as response:
            body = response.read().decode()
        return json.loads(body) if body.startswith("{") else body

    def post(self, body: Any, path: str = "/v1/models/toy-scann:predict") -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(self.base + path, data=data, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]


@contextmanager
def running_server(root: Path, *options: str) -> Iterator[Server]:
    """Publishes a model below `root` and serves it until the block ends; the server's log is `root/server.log`."""
    model, other = models()
    publisher = publish(root, PusherParams(directory=root / "serving", name="toy"), model)
    port, grpc_port = free_ports(2)
    given = ["--root", str(root), "--port", str(port), "--grpc-port", str(grpc_port), "--poll-seconds", "0.2", *options]
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "pipeline", "serve", "toy", *given], stderr=log)
    server = Server(f"http://127.0.0.1:{port}", grpc_port, publisher, (model, other), root / "server.log", process)
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                server.get("/healthz")
                break
            except OSError:
                time.sleep(0.2)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)
