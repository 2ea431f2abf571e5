"""Measures what a step takes: time, processor and memory, of this process and its children."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

_SECONDS_BETWEEN_SAMPLES = 0.5


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """Yields what is filled when the block ends: `seconds`, and `resources` with `cpu_seconds` and `peak_memory_bytes`.

    Processor time includes that of children which have ended. Memory is sampled twice a second, as the sum of the
    resident memory of this process and all below it: pages that several share count for each, and a shorter peak is
    missed. Workers on other machines are not seen.
    """
    used: dict[str, Any] = {}
    began, cpu, memory = time.monotonic(), _cpu_seconds(), _Peak()
    with memory:
        yield used
    used["seconds"] = round(time.monotonic() - began, 3)
    spent = round(_cpu_seconds() - cpu, 3)
    used["resources"] = {"cpu_seconds": spent, "peak_memory_bytes": float(memory.largest)}


class _Peak:
    """Samples the memory in a thread.

    Attributes:
        largest: largest sum in bytes.
    """

    def __init__(self) -> None:
        self.largest = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory of the step", daemon=True)

    def __enter__(self) -> None:
        self._sample()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._over.wait(_SECONDS_BETWEEN_SAMPLES):
            self._sample()

    def _sample(self) -> None:
        total = 0
        with suppress(psutil.Error, OSError):
            own = psutil.Process()
            for process in (own, *own.children(recursive=True)):
                with suppress(psutil.Error):  # it has just ended
                    total += process.memory_info().rss
        self.largest = max(self.largest, total)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
