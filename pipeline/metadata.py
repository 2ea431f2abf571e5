"""What has been run: executions, runs and the lock, as plain files under the root.

ROOT/PIPELINE/<node>/<execution>/<output>/     one directory an execution, never written again
ROOT/PIPELINE/<node>/<execution>/manifest.json  written last: without it the execution does not exist
ROOT/PIPELINE/runs/<run>.json and <run>.log     one record a run
ROOT/PIPELINE/.lock                             held by the one runner at work
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.errors import RunError

_MANIFEST = "manifest.json"
_RUNS = "runs"


def new_id() -> str:
    """An id that sorts by time: `20260131T235959.123456Z-1a2b`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(2)}"


def now() -> str:
    """The current time, ISO 8601 in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Execution:
    """A finished execution of a node, as its manifest tells it.

    Attributes:
        node: id of the node.
        id: id of the execution.
        component: class name of the component.
        fingerprint: its cache key.
        inputs: `node/execution/output` of every input.
        outputs: names of the outputs.
        params: the component's parameters.
        libraries: versions it ran with.
        facts: what the executor reported.
        run: the run that executed it.
        started: ISO time.
        seconds: wall-clock time.
        files: bytes of every file of the outputs, by path below the execution's directory.
    """

    node: str
    id: str
    component: str
    fingerprint: str
    inputs: dict[str, str]
    outputs: list[str]
    params: dict[str, Any]
    libraries: dict[str, str]
    facts: dict[str, Any]
    run: str
    started: str
    seconds: float
    files: dict[str, int] = field(default_factory=dict)


@dataclass
class Step:
    """A step of a run: `state` is cached, run, failed, refused, interrupted or waiting."""

    node: str
    state: str = "waiting"
    execution: str = ""
    seconds: float = 0.0


@dataclass
class Run:
    """A run of the pipeline: `state` is running, done, failed, refused or interrupted."""

    id: str
    config: str
    pid: int
    started: str = field(default_factory=now)
    finished: str = ""
    state: str = "running"
    message: str = ""
    steps: list[Step] = field(default_factory=list)


class Store:
    """The records of one pipeline below a root directory."""

    def __init__(self, root: Path, pipeline: str) -> None:
        self.directory = root / pipeline

    def execution_directory(self, node: str, execution: str) -> Path:
        """Where an execution keeps its outputs and its manifest."""
        return self.directory / node / execution

    def output(self, execution: Execution, name: str) -> Path:
        """Directory of one output."""
        return self.execution_directory(execution.node, execution.id) / name

    def input(self, execution: Execution, name: str) -> Path:
        """Directory of the artifact an execution read."""
        return self.directory / execution.inputs[name]

    def producer(self, execution: Execution, name: str) -> Execution:
        """The execution that made the artifact another one read."""
        node, producer, _ = execution.inputs[name].split("/")
        return self._read(self.execution_directory(node, producer) / _MANIFEST)

    def commit(self, execution: Execution) -> None:
        """Makes an execution exist."""
        directory = self.execution_directory(execution.node, execution.id)
        files = [file for name in execution.outputs for file in (directory / name).rglob("*") if file.is_file()]
        sizes = {file.relative_to(directory).as_posix(): file.stat().st_size for file in sorted(files)}
        record = json.dumps(asdict(replace(execution, files=sizes)), indent=2, ensure_ascii=False)
        write_atomically(directory / _MANIFEST, record + "\n")

    def withdraw(self, execution: Execution) -> None:
        """Makes an execution not exist any more; what it left is removed like that of a killed one."""
        (self.execution_directory(execution.node, execution.id) / _MANIFEST).unlink()

    def executions(self, node: str) -> list[Execution]:
        """Finished executions of a node, oldest first."""
        manifests = sorted((self.directory / node).glob(f"*/{_MANIFEST}"))
        return [self._read(file) for file in manifests]

    def nodes(self) -> list[str]:
        """Ids of the nodes with finished executions."""
        return sorted({file.parent.parent.name for file in self.directory.glob(f"*/*/{_MANIFEST}")})

    def find(self, node: str, fingerprint: str) -> Execution | None:
        """The newest finished execution with this cache key whose files are all still there."""
        matching = [found for found in self.executions(node) if found.fingerprint == fingerprint]
        return next(filter(self.is_whole, reversed(matching)), None)

    def is_whole(self, execution: Execution) -> bool:
        """Whether all files of an execution are still there, of the size they were written with."""
        directory = self.execution_directory(execution.node, execution.id)
        files = ((directory / name, size) for name, size in execution.files.items())
        return all(file.is_file() and file.stat().st_size == size for file, size in files)

    def latest(self, node: str) -> Execution | None:
        """The newest finished execution of a node."""
        finished = self.executions(node)
        return finished[-1] if finished else None

    def remove_unfinished(self, node: str) -> None:
        """Deletes what killed or failed executions of a node left behind. Only the holder of the lock may."""
        for directory in (self.directory / node).glob("*/"):
            if not (directory / _MANIFEST).exists():
                shutil.rmtree(directory)

    @staticmethod
    def _read(manifest: Path) -> Execution:
        return Execution(**json.loads(manifest.read_text(encoding="utf-8")))

    def save_run(self, run: Run) -> None:
        """Writes a run's record."""
        record = json.dumps(asdict(run), indent=2, ensure_ascii=False)
        write_atomically(self.directory / _RUNS / f"{run.id}.json", record + "\n")

    def log_file(self, run: Run) -> Path:
        """Where a run's log goes."""
        return self.directory / _RUNS / f"{run.id}.log"

    def runs(self) -> list[Run]:
        """All runs, oldest first. One that still says running though its process is gone was interrupted."""
        found = []
        for file in sorted((self.directory / _RUNS).glob("*.json")):
            record = json.loads(file.read_text(encoding="utf-8"))
            run = Run(**{**record, "steps": [Step(**step) for step in record["steps"]]})
            if run.state == "running" and not self._is_locked_by(run.pid):
                run.state = "interrupted"
            found.append(run)
        return found

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the pipeline for one runner; the lock dies with the process.

        Raises:
            RunError: another runner holds it.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"{self.directory} is in use by process {self._lock_holder()}; wait for it") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _lock_holder(self) -> str:
        with suppress(OSError):
            return (self.directory / ".lock").read_text(encoding="utf-8").strip()
        return "unknown"

    def _is_locked_by(self, pid: int) -> bool:
        if self._lock_holder() != str(pid):
            return False
        with (self.directory / ".lock").open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def no_such_pipeline(root: Path, name: str) -> str:
    """What to say where a pipeline is asked for that has no records."""
    return f"no pipeline '{name}' in {root}; there is {', '.join(pipelines(root)) or 'none'}"


def pipelines(root: Path) -> list[str]:
    """Names of the pipelines with records under a root."""
    return sorted(directory.parent.name for directory in root.glob(f"*/{_RUNS}") if directory.is_dir())


def write_atomically(file: Path, text: str) -> None:
    """Writes a text file so that a reader, and a crash, sees the old content or the new, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(file)
