"""Measures one library in a process of its own: every setting under every condition."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.harness.processes import answer, say
from benchmarks.retrieval.libraries import CORES, MAKERS, Library, Settings
from benchmarks.retrieval.tasks import Condition, LibraryTask, Measurement, Measurements

_CONDITIONS = (
    Condition(k=10, threads=1, batch=64),
    Condition(k=10, threads=1, batch=1),
    Condition(k=10, threads=2, batch=64),
    Condition(k=10, threads=2, batch=1),
    Condition(k=100, threads=1, batch=64),
    Condition(k=100, threads=1, batch=1),
)
_FEWEST_CALLS = 3
_RECALL_BATCH = 256


@dataclass(frozen=True)
class _Queries:
    """Queries and the rows of their true answers, best first."""

    vectors: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class _Build:
    """What an index cost."""

    seconds: float
    memory_mib: float
    disk_mib: float


@dataclass(frozen=True)
class _Timing:
    """How fast a condition was answered."""

    qps: float
    p50_ms: float
    p99_ms: float


def measure(task: LibraryTask) -> Measurements:
    """Builds with every setting of the build, and searches with every setting of the search."""
    vectors = np.load(task.directory / "candidates.npy")
    tuning, reported = (_read_queries(task.directory, part) for part in ("tuning", "reported"))
    library, rows = MAKERS[task.library](), []
    for settings in library.builds(len(vectors)):
        say(f"building {task.library} {settings or ''}")
        before, began = _resident_mib(), time.perf_counter()
        library.build(vectors, settings, tuning.vectors)
        seconds, memory = time.perf_counter() - began, _resident_mib() - before
        build = _Build(seconds, memory, _saved_mib(library, task.directory / f"saved.{task.library}"))
        for k in sorted({condition.k for condition in _CONDITIONS if condition.k <= len(vectors)}):
            for search in library.searches(k):
                recalls = _recall(library, tuning, search, k), _recall(library, reported, search, k)
                for condition, timing in _timings(library, reported.vectors, search, k, task.seconds):
                    rows.append(_row(task, build, {**settings, **search}, recalls, condition, timing))
    return Measurements(rows=rows)


def _read_queries(directory: Path, part: str) -> _Queries:
    return _Queries(np.load(directory / f"{part}.npy"), np.load(directory / f"{part}.truth.npy"))


def _row(
    task: LibraryTask,
    build: _Build,
    settings: Settings,
    recalls: tuple[float, float],
    condition: Condition,
    timing: _Timing,
) -> Measurement:
    tuning_recall, recall = recalls
    return Measurement(
        library=task.library,
        k=condition.k,
        threads=condition.threads,
        batch=condition.batch,
        settings=settings,
        tuning_recall=tuning_recall,
        recall=recall,
        qps=timing.qps,
        p50_ms=timing.p50_ms,
        p99_ms=timing.p99_ms,
        build_seconds=build.seconds,
        memory_mib=build.memory_mib,
        disk_mib=build.disk_mib,
    )


def _recall(library: Library, queries: _Queries, settings: Settings, k: int) -> float:
    library.use(settings, threads=len(CORES))
    found = np.full((len(queries.vectors), k), -1, np.int64)
    for start in range(0, len(found), _RECALL_BATCH):
        part = library.search(queries.vectors[start : start + _RECALL_BATCH], k)
        found[start : start + len(part), : part.shape[1]] = part  # a tree may run out of candidates
    true = queries.truth[:, :k]
    return float(np.mean([len(np.intersect1d(*both)) / k for both in zip(found, true, strict=True)]))


def _timings(
    library: Library, queries: np.ndarray, settings: Settings, k: int, seconds: float
) -> Iterator[tuple[Condition, _Timing]]:
    """Times the conditions with `k` answers, each on as many cores as it has threads."""
    for condition in _CONDITIONS:
        if condition.k == k:
            _pin(condition.threads)
            library.use(settings, threads=condition.threads)
            yield condition, _timed(library, queries, condition, seconds)
    _pin(len(CORES))


def _timed(library: Library, queries: np.ndarray, condition: Condition, seconds: float) -> _Timing:
    k, batch = condition.k, condition.batch
    parts = [queries[start : start + batch] for start in range(0, len(queries) - batch + 1, batch)]
    for part in parts[:2]:
        library.search(part, k)
    times: list[float] = []
    while sum(times) < seconds or len(times) < _FEWEST_CALLS:
        part = parts[len(times) % len(parts)]
        began = time.perf_counter()
        library.search(part, k)
        times.append(time.perf_counter() - began)
    p50, p99 = np.percentile(times, [50, 99])
    return _Timing(qps=batch * len(times) / sum(times), p50_ms=1000 * p50, p99_ms=1000 * p99)


def _pin(threads: int) -> None:
    """Lets all threads of this process, those of thread pools too, run on so many cores."""
    for task in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(task.name), CORES[:threads])


def _saved_mib(library: Library, directory: Path) -> float:
    directory.mkdir(exist_ok=True)
    library.save(directory)
    files = [path for path in directory.iterdir() if path.is_file()]
    size = sum(path.stat().st_size for path in files) / (1 << 20)
    for path in files:
        path.unlink()
    return size


def _resident_mib() -> float:
    return float(psutil.Process().memory_info().rss / (1 << 20))


if __name__ == "__main__":
    answer(LibraryTask, measure)
