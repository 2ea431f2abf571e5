"""Several processes behind one port. The kernel spreads connections over them; each holds the models itself.

The parent reserves the ports, starts the processes, and replaces one that ends. A process that ends before all have
accepted connections once, or processes that end again and again, end the server. The processes end when the parent
does, however that ends.
"""

import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from dataplane.errors import RunError
from serving.server.server_metrics import DIRECTORY

_LOG = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with TensorFlow's threads could hang
_MOST_RESTARTS, _RESTART_SECONDS = 5, 600.0


@dataclass
class _Worker:
    number: int
    process: BaseProcess
    ready: Connection
    address: str | None = None


class Workers:
    """The processes of one server."""

    def __init__(self, target: Callable[[Callable[[str], object]], object], count: int, *, end_seconds: float) -> None:
        """Starts nothing yet.

        Args:
            target: serves until it is interrupted; called in each process with a function to call with the server's
                URL once connections are accepted. It is pickled.
            count: the number of processes.
            end_seconds: how long a process may take to end once it is told to.
        """
        self._target, self._count, self._end_seconds = target, count, end_seconds
        self._workers: list[_Worker] = []
        self._restarts: list[float] = []
        self._is_ready = False

    def run(self, on_ready: Callable[[str], object]) -> None:
        """Serves until interrupted.

        Args:
            on_ready: called with the server's URL once every process accepts connections.

        Raises:
            RunError: a process ended before it was ready, or processes end again and again.
        """
        with _shared_metrics():
            try:
                for number in range(self._count):
                    self._workers.append(self._start(number))
                self._watch(on_ready)
            except KeyboardInterrupt:
                pass
            finally:
                self._end()

    def _start(self, number: int) -> _Worker:
        receiving, sending = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_work, args=(self._target, sending), name=f"serve-{number}")
        process.start()
        sending.close()
        return _Worker(number, process, receiving)

    def _watch(self, on_ready: Callable[[str], object]) -> None:
        while True:
            waiting: list[Any] = [worker.process.sentinel for worker in self._workers]
            waiting += [worker.ready for worker in self._workers if worker.address is None]
            wait(waiting)
            for place, worker in enumerate(self._workers):
                if worker.address is None and worker.ready.poll():
                    worker.address = _received(worker.ready)
                if not worker.process.is_alive():
                    self._workers[place] = self._replace(worker)
            addresses = [worker.address for worker in self._workers]
            if not self._is_ready and all(addresses):
                self._is_ready = True
                on_ready(str(addresses[0]))

    def _replace(self, worker: _Worker) -> _Worker:
        how = _how_it_ended(worker.process.exitcode)
        if worker.address is None and not self._is_ready:
            raise RunError(f"server process {worker.number} {how} before it was ready; the log says why")
        now = time.monotonic()
        self._restarts = [moment for moment in self._restarts if moment > now - _RESTART_SECONDS] + [now]
        if len(self._restarts) > _MOST_RESTARTS:
            raise RunError(
                f"server processes ended {len(self._restarts)} times within {_RESTART_SECONDS:g} s, the last {how}; "
                "the log says why"
            )
        _LOG.error("server process %d %s; starting another", worker.number, how)
        # Removes the gauges of the process; its counts stay in the sums.
        mark_process_dead(worker.process.pid)  # type: ignore[no-untyped-call]
        return self._start(worker.number)

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + self._end_seconds
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _work(target: Callable[[Callable[[str], object]], object], ready: Connection) -> None:
    """The life of one process."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        target(ready.send)
    except KeyboardInterrupt:  # while the models were loading
        return


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _received(ready: Connection) -> str | None:
    try:
        address: str = ready.recv()
    except EOFError:
        return None
    return address


def _how_it_ended(code: int | None) -> str:
    return f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A directory for the metrics of all processes."""
    directory = tempfile.mkdtemp(prefix="serve-metrics-")
    os.environ[DIRECTORY] = directory
    try:
        yield
    finally:
        del os.environ[DIRECTORY]
        shutil.rmtree(directory, ignore_errors=True)
