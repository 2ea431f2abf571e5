"""Samples the resident memory of a process and its descendants.

The samples come from /proc itself: a library that lists all processes of the machine twenty times a second would take
CPU time away from what is measured.
"""

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

_SAMPLE_SECONDS = 0.05
_PAGES_PER_MIB = (1 << 20) // os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """Resident memory at a moment.

    Attributes:
        moment: Unix time.
        mib: resident memory of all processes.
    """

    moment: float
    mib: float


class MemorySampler(threading.Thread):
    """Samples until `stop` is called.

    Args:
        pid: the process; its descendants count too.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._pid = pid
        self._stopped = threading.Event()
        self._peak_of_first = 0.0

    def run(self) -> None:
        """Appends to `samples`."""
        while not self._stopped.wait(_SAMPLE_SECONDS):
            self.samples.append(Sample(time.time(), _resident_pages(self._pid) / _PAGES_PER_MIB))
            self._peak_of_first = _peak_mib(self._pid) or self._peak_of_first

    def stop(self) -> float:
        """Ends the sampling; returns the peak in MiB."""
        self._stopped.set()
        self.join()
        # The kernel remembers short peaks of the first process. (The peak that wait4 reports would include the memory
        # of this process: a new process is a copy of its parent for a moment.)
        return max(self._peak_of_first, *(sample.mib for sample in self.samples), 0.0)


def _peak_mib(pid: int) -> float:
    """Peak memory of a process since its program started; 0 if the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (OSError, ProcessLookupError):
        return 0.0
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) / 1024 if peak else 0.0


def _resident_pages(pid: int) -> int:
    """Resident pages of a process and its descendants; those that have just ended have none."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (OSError, ProcessLookupError):
        return 0
    return pages + sum(map(_resident_pages, children))
