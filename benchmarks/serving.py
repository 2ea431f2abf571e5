"""The server under load: requests per second and latencies, with and without batching, and during a change of version.

Runs a small pipeline twice on made-up data, so that there are two published versions of a catalogue of 100,000
candidates, and starts `python -m pipeline serve` on the loopback. The load comes from a process of its own, so both
share the machine's cores; `cpu_ms` is what a request costs the server alone. During the last measurement of each model
the version changes by a `rollback`: a real publication, which the server loads and warms up while it answers.
"""

import argparse
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Goal, finish, parser, run_pipeline
from serving.published.publishing import Publisher

NAME = "benchmark"
MODELS = (f"{NAME}-scann", NAME)
_LONGEST_CHANGE = 600
HISTORY = 20
"""Longest history in a request."""
_CONFIG = """\
schema_version: 1
name: benchmark
data:
  interactions: {format: synthetic, queries: QUERIES, candidates: CANDIDATES, events_per_query: 30}
features:
  query:
    country: {type: categorical}
    age: {type: numeric}
  context:
    device: {type: categorical}
model: {embedding_dim: 64, temperature: 0.1}
training: {max_epochs: 1}
evaluation: {baselines: []}
"""


def main() -> int:
    """Makes the models, measures them one after the other, and tells the goals."""
    options = parser(__doc__)
    options.add_argument("--candidates", type=int, default=100_000, help="size of the catalogue (%(default)s)")
    options.add_argument("--seconds", type=float, default=20.0, help="of each measurement (%(default)s)")
    options.add_argument("--rate", type=int, default=100, help="requests a second of the open loop (%(default)s)")
    options.add_argument("--root", type=Path, help="where the models are, or are made; temporary if absent")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.candidates, arguments.seconds = 2_000, 2.0
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch:
        root = arguments.root or Path(scratch)
        make_versions(root, arguments.candidates)
        rows = []
        for row in _rows(root, arguments):
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
    return finish(arguments, rows=rows, goals=_goals(rows, is_quick=arguments.quick))


def make_versions(root: Path, candidates: int) -> None:
    """Publishes two versions, unless they are there."""
    config = root / "benchmark.yaml"
    root.mkdir(parents=True, exist_ok=True)
    config.write_text(_CONFIG.replace("QUERIES", str(min(candidates, 5000))).replace("CANDIDATES", str(candidates)))
    for top_k in (99, 100):
        run_pipeline("run", str(config), "--root", str(root), "--set", f"serving.top_k={top_k}")


def _rows(root: Path, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    loads: list[dict[str, Any]] = [{"connections": count} for count in ((1, 16) if arguments.quick else (1, 4, 16, 64))]
    loads.append({"connections": 256, "rate": arguments.rate})
    questions = _questions(arguments.candidates)
    publisher = Publisher(root / "serving", NAME)
    newest = publisher.newest()
    assert newest is not None
    for directory in reversed(publisher.fetch(newest.version)):
        yield from _floor(directory, questions, arguments.seconds)
    for wait_ms in (0, 5):
        with _server(root, wait_ms) as server:
            for model in MODELS:
                target = _Target(server, model, questions)
                target.put({"connections": 16}, min(arguments.seconds, 3))  # warms up what a first load does
                for load in loads:
                    yield {**target.names(wait_ms), **target.put(load, arguments.seconds)}
            for model in MODELS if wait_ms else ():
                target = _Target(server, model, questions)
                yield {**target.names(wait_ms), **_swapped(root, target, max(arguments.seconds, 12))}


@dataclass(frozen=True)
class _Server:
    """A running server."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Target:
    """A model of a running server."""

    def __init__(self, server: "_Server", model: str, questions: Sequence[Mapping[str, Any]]) -> None:
        self.server, self.model = server, model
        self._bodies = [json.dumps({"instances": [question]}) for question in questions]

    def names(self, wait_ms: float) -> dict[str, Any]:
        return {"model": self.model, "asked": "batched" if wait_ms else "unbatched"}

    def put(
        self, load: Mapping[str, Any], seconds: float, *, change: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Puts a load on it, for so many seconds or as long as `change` takes; returns what came of it."""
        before, cpu = self._batches(), self.server.cpu_seconds()
        task = {"port": self.server.port, "path": f"/v1/models/{self.model}:predict", "bodies": self._bodies, **load}
        task["seconds"] = seconds if change is None else _LONGEST_CHANGE
        with _module("benchmarks.load_generator", task) as generator:
            if change is not None:
                change()
                generator.terminate()
            found = json.load(generator.stdout)
        cpu = self.server.cpu_seconds() - cpu
        batches, rows = (after - earlier for after, earlier in zip(self._batches(), before, strict=True))
        cpu_ms = round(1000 * cpu / max(found["requests"], 1), 2)
        told = f"{load['rate']}/s" if "rate" in load else f"{load['connections']} at once"
        return {"load": told, **_summary(found), "batch": round(rows / max(batches, 1), 1), "cpu_ms": cpu_ms}

    def version(self) -> int:
        """The version that it answers with."""
        return int(json.loads(_get(self.server.port, "/healthz"))["versions"][self.model])

    def _batches(self) -> tuple[float, float]:
        """Batches run so far, and their rows."""
        told = _get(self.server.port, "/metrics")
        values = (re.search(rf'batch_rows_{kind}\{{model="{self.model}"\}} (\S+)', told) for kind in ("count", "sum"))
        batches, rows = (0.0 if value is None else float(value[1]) for value in values)
        return batches, rows


def _swapped(root: Path, target: _Target, seconds: float) -> dict[str, Any]:
    """What comes of a load while the content of another version is published and taken over."""
    before = target.version()
    *others, newest = Publisher(root / "serving", NAME).versions()
    other = next(found.version for found in reversed(others) if found.identity != newest.identity)

    def change() -> None:
        time.sleep(seconds / 3)
        run_pipeline("rollback", NAME, str(other), "--root", str(root))
        end = time.monotonic() + _LONGEST_CHANGE / 2
        while target.version() == before and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(seconds / 3)

    row = target.put({"connections": 16}, seconds, change=change)
    return {**row, "load": "16 at once, version changes", "changed": target.version() != before}


def _floor(model: Path, questions: Sequence[Mapping[str, Any]], seconds: float) -> Iterator[dict[str, Any]]:
    batches = [1, 64]
    task = {"model": str(model), "rows": questions, "batches": batches, "seconds": seconds}
    with _module("benchmarks.serving_floor", task) as process:
        calls = json.load(process.stdout)
    for batch, found in zip(batches, calls, strict=True):
        names = {"model": model.parent.name, "asked": "in process", "load": "1 thread"}
        yield {**names, **_summary(found), "batch": float(batch)}


def _summary(found: Mapping[str, Any]) -> dict[str, Any]:
    quantiles = np.quantile(found["latencies_ms"] or [np.nan], [0.5, 0.99, 0.999])
    names = ("p50_ms", "p99_ms", "p999_ms")
    times = {name: round(float(value), 2) for name, value in zip(names, quantiles, strict=True)}
    return {
        "requests_per_s": round(found["requests"] / found["seconds"], 1),
        **times,
        "failed": sum(found["errors"].values()),
    }


def _goals(rows: Sequence[Mapping[str, Any]], *, is_quick: bool) -> list[Goal]:
    goals = [Goal.at_most("requests that failed", float(sum(row["failed"] for row in rows)), 0)]
    changed = [row["changed"] for row in rows if "changed" in row]
    goals.append(Goal.at_least("models that changed their version under load, of 2", float(sum(changed)), 2))
    for model in MODELS:
        for load, what, limit in (("1 at once", "p50_ms", 1.15), ("16 at once", "requests_per_s", 1.0)):
            plain, batched = (
                next(row[what] for row in rows if (row["model"], row["asked"], row["load"]) == (model, asked, load))
                for asked in ("unbatched", "batched")
            )
            make = Goal.at_most if what == "p50_ms" else Goal.at_least
            goals.append(
                make(f"{model}, {load}: {what} with batching to without", None if is_quick else batched / plain, limit)
            )
    return goals


def _questions(candidates: int) -> list[dict[str, Any]]:
    source = random.Random(7)
    return [
        {
            "country": source.choice(["NL", "DE", "FR", "?"]),
            "age": source.choice([None, source.randint(16, 90)]),
            "device": source.choice(["phone", "tv"]),
            "history": [f"c{source.randrange(candidates)}" for _ in range(source.randint(0, HISTORY))],
        }
        for _ in range(1024)
    ]


@contextmanager
def _server(root: Path, wait_ms: float) -> Iterator[_Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = ["--root", str(root), "--port", str(port), "--batch-wait-ms", str(wait_ms), "--poll-seconds", "0.5"]
    process = subprocess.Popen([sys.executable, "-m", "pipeline", "serve", NAME, *options])
    try:
        _wait_until_it_answers(process, port)
        yield _Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(3000):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            _get(port, "/healthz")
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server does not answer after five minutes")


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
        return str(response.read().decode())


@contextmanager
def _module(module: str, task: Mapping[str, Any]) -> Iterator[Any]:
    """A module run with a task; its output is there to be read."""
    with subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(task).encode())
        process.stdin.close()
        yield process
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}")


if __name__ == "__main__":
    sys.exit(main())
