"""Processor, memory and disk."""

import os
import platform
import shutil
import tempfile
from pathlib import Path

import psutil

from pipeline.diagnosis.finding import Finding

_NEEDED_INSTRUCTIONS = ("avx", "fma")
_FASTER_INSTRUCTIONS = ("avx2", "avx512f")
_LEAST_MEMORY, _LEAST_DISK = 2 << 30, 2 << 30
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine(root: Path, *, flags: frozenset[str] | None = None, cgroup_limit: Path = _CGROUP_LIMIT) -> list[Finding]:
    """Processor, memory, and the disks of the root and of temporary files.

    Args:
        root: where artifacts are kept; may not exist yet.
        flags: instructions of the processor; those of this one if None.
        cgroup_limit: the file with the memory limit of this container, if there is one.
    """
    return [
        _processor(_instructions() if flags is None else flags),
        _memory(cgroup_limit),
        _disk("disk of --root", root),
        _disk("temporary files", Path(tempfile.gettempdir())),
    ]


def _instructions() -> frozenset[str]:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _processor(flags: frozenset[str]) -> Finding:
    known = ", ".join(name for name in (*_NEEDED_INSTRUCTIONS, *_FASTER_INSTRUCTIONS) if name in flags)
    found = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, {known or 'no vector instructions known'}"
    missing = [name for name in _NEEDED_INSTRUCTIONS if name not in flags]
    fix = f"TensorFlow's and ScaNN's wheels need {' and '.join(missing)}: use another machine" if missing else ""
    return Finding("processor", found, fix)


def _memory(cgroup_limit: Path) -> Finding:
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    try:
        limit = int(cgroup_limit.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # "max", or no such file
        limit = total
    of_container = " (the container's limit)" if limit < total else ""
    total, available = min(total, limit), min(available, limit)
    found = f"{_gib(available)} of {_gib(total)} available{of_container}"
    fix = f"a small pipeline needs {_gib(_LEAST_MEMORY)}: end other programs or use a larger machine"
    return Finding("memory", found, fix if available < _LEAST_MEMORY else "")


def _disk(name: str, directory: Path) -> Finding:
    existing = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(name, f"{existing} cannot be written", "choose another --root, or set TMPDIR")
    free = shutil.disk_usage(existing).free
    fix = f"make room for {_gib(_LEAST_DISK)} at least" if free < _LEAST_DISK else ""
    return Finding(name, f"{_gib(free)} free in {existing}", fix)


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
