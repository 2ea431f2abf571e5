"""The libraries that `benchmarks.retrieval` compares, behind one interface, and the measuring of one of them.

Each is measured in a process of its own: `python -m benchmarks.retrieval_libraries NAME DIRECTORY`, where DIRECTORY
holds `candidates.npy`, the tuning queries `a.npy` and the reported queries `b.npy`, and their exact answers.
"""

# ruff: noqa: D102  (the methods are told by Library)

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import models  # noqa: F401  # chooses the Keras that TensorFlow Recommenders needs

CONDITIONS = [(10, 1, 64), (10, 1, 1), (10, 2, 64), (10, 2, 1), (100, 1, 64), (100, 1, 1)]  # k, threads, batch
_TRAINING = 40  # candidates a centre is learnt from, as faiss asks for
_SECONDS = 0.4  # of measuring a condition
_CORES = os.sched_getaffinity(0)
_PIP = "pip install 'tfrs-pipeline[benchmarks]' (faiss-cpu, hnswlib)"


class Library(Protocol):
    """One way to search, built with each of `builds` in turn."""

    def builds(self, candidates: int) -> list[dict[str, Any]]:
        """Settings that need an index of their own."""

    def build(self, vectors: np.ndarray, settings: dict[str, Any], queries: np.ndarray) -> None:
        """Indexes float32 `[candidates, dim]`; `queries` are for those that tune themselves."""

    def searches(self, k: int) -> list[dict[str, Any]]:
        """Settings of the search to try for `k` answers."""

    def use(self, settings: dict[str, Any], *, threads: int) -> None:
        """Sets them, and the number of threads."""

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Rows, `[batch, k]`."""

    def save(self, path: Path) -> None:
        """Writes the index below an empty directory."""


class Faiss:
    """An index of faiss, by the name of its factory."""

    def __init__(self, name: str, *, knobs: dict[str, list[int]], cells: bool = True) -> None:
        import faiss

        self._faiss, self._name, self._knobs, self._cells = faiss, name, knobs, cells

    def builds(self, candidates: int) -> list[dict[str, Any]]:
        root = math.sqrt(candidates)
        return [{"nlist": max(1, round(root * times))} for times in (1, 2)] if self._cells else [{}]

    def build(self, vectors: np.ndarray, settings: dict[str, Any], queries: np.ndarray) -> None:
        self._faiss.omp_set_num_threads(len(_CORES))
        name = self._name.format(**settings)
        self._index: Any = self._faiss.index_factory(vectors.shape[1], name, self._faiss.METRIC_INNER_PRODUCT)
        if not self._cells:
            self._faiss.ParameterSpace().set_index_parameter(self._index, "efConstruction", 100)
        sample = np.random.default_rng(0).permutation(len(vectors))[: max(10_000, _TRAINING * settings.get("nlist", 0))]
        self._index.train(vectors[np.sort(sample)])
        self._index.add(vectors)

    def searches(self, k: int) -> list[dict[str, Any]]:
        return [dict(zip(self._knobs, values, strict=True)) for values in product(*self._knobs.values())]

    def use(self, settings: dict[str, Any], *, threads: int) -> None:
        self._faiss.omp_set_num_threads(threads)
        for name, value in settings.items():
            self._faiss.ParameterSpace().set_index_parameter(self._index, name, value)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found: np.ndarray = self._index.search(queries, k)[1]
        return found

    def save(self, path: Path) -> None:
        self._faiss.write_index(self._index, str(path / "index"))


class Hnswlib:
    """hnswlib with 16 links and a construction list of 100."""

    def builds(self, candidates: int) -> list[dict[str, Any]]:
        return [{"M": 16, "ef_construction": 100}]

    def build(self, vectors: np.ndarray, settings: dict[str, Any], queries: np.ndarray) -> None:
        import hnswlib

        self._index = hnswlib.Index("ip", vectors.shape[1])
        self._index.init_index(len(vectors), **settings)
        self._index.set_num_threads(len(_CORES))
        self._index.add_items(vectors)

    def searches(self, k: int) -> list[dict[str, Any]]:
        return [{"ef": ef} for ef in (20, 40, 60, 80, 120, 160, 240, 320, 640) if ef >= k]

    def use(self, settings: dict[str, Any], *, threads: int) -> None:
        self._index.set_num_threads(threads)
        self._index.set_ef(settings["ef"])

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found: np.ndarray = self._index.knn_query(queries, k)[0]
        return found

    def save(self, path: Path) -> None:
        self._index.save_index(str(path / "index"))


class TfrsLayer:
    """A layer of TensorFlow Recommenders; every setting of its ScaNN is built in."""

    def __init__(self, kind: str) -> None:
        import tensorflow_recommenders as tfrs

        self._kind, self._layers = kind, tfrs.layers.factorized_top_k

    def builds(self, candidates: int) -> list[dict[str, Any]]:
        if self._kind != "reordered":
            return [{}]
        leaves = round(math.sqrt(candidates))
        shares = ((0.02, 100), (0.04, 200), (0.08, 200), (0.08, 400), (0.16, 400))
        return [
            {
                "num_leaves": leaves,
                "num_leaves_to_search": math.ceil(share * leaves),
                "num_reordering_candidates": depth,
            }
            for share, depth in shares
        ]

    def build(self, vectors: np.ndarray, settings: dict[str, Any], queries: np.ndarray) -> None:
        import tensorflow as tf

        if self._kind == "brute_force":
            self._layer = self._layers.BruteForce(k=10)
        else:
            self._layer = self._layers.ScaNN(k=10, **{"num_leaves": min(100, len(vectors))} | settings)
        self._layer.index(tf.constant(vectors))
        self._call = tf.function(lambda queries, k: self._layer(queries, k=k), reduce_retracing=True)
        self._constant = tf.constant

    def searches(self, k: int) -> list[dict[str, Any]]:
        return [{}]

    def use(self, settings: dict[str, Any], *, threads: int) -> None:
        """The layer has no settings of the search; its threads are the cores that the process may use."""

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found: np.ndarray = self._call(self._constant(queries), k)[1].numpy()
        return found

    def save(self, path: Path) -> None:
        import tensorflow as tf

        tf.train.Checkpoint(self._layer).write(str(path / "index"))


class Ours:
    """The index of this pipeline, tuned for a recall@10 of 0.95; called through `scann_ops` as the others are."""

    def __init__(self) -> None:
        import tensorflow as tf
        from scann.scann_ops.py import scann_ops

        self._constant, self._open = tf.constant, scann_ops.searcher_from_module

    def builds(self, candidates: int) -> list[dict[str, Any]]:
        return [{}]

    def build(self, vectors: np.ndarray, settings: dict[str, Any], queries: np.ndarray) -> None:
        from components.scann_indexer import IndexConfig, RecallTarget
        from components.scann_indexer.index_tuning import Tuner
        from models.retrieval.index import ExactSearch

        config = IndexConfig(recall_target=RecallTarget(k=10, recall=0.95))
        exact = ExactSearch(vectors)
        tuner = Tuner(config, exact, queries, answers=10, other_queries=len(queries), progress=say)
        self.tuned = tuner.tune()
        self._state, self._chosen = self.tuned.search.state, self.tuned.search.settings
        say(f"chose {self._chosen}")
        self._searcher = self._open(self._state)

    def searches(self, k: int) -> list[dict[str, Any]]:
        if self._chosen is None:
            return [{"leaves": None, "reorder": None}]
        times = (0.25, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3)
        leaves = {
            min(self._chosen.leaves, max(1, round(share * self._chosen.leaves_to_search))): None for share in times
        }
        depths = [self._chosen.reorder, 3 * self._chosen.reorder] if k == 10 else [200, 400]
        return [{"leaves": count, "reorder": max(k, depth)} for count in leaves for depth in depths]

    def use(self, settings: dict[str, Any], *, threads: int) -> None:
        searcher = self._searcher
        self._search = searcher.search_batched if threads == 1 else searcher.search_batched_parallel
        self._leaves, self._reorder = settings["leaves"], settings["reorder"]

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found: np.ndarray = self._search(self._constant(queries), k, self._reorder, self._leaves)[0].numpy()
        return found

    def save(self, path: Path) -> None:
        import tensorflow as tf

        tf.train.Checkpoint(self._state).write(str(path / "index"))


_PROBES = [4, 8, 16, 24, 32, 48, 64, 96, 128]
LIBRARIES: dict[str, Any] = {
    "ours": Ours,
    "tfrs-brute-force": lambda: TfrsLayer("brute_force"),
    "tfrs-scann": lambda: TfrsLayer("defaults"),
    "tfrs-scann-reordered": lambda: TfrsLayer("reordered"),
    "faiss-ivf-flat": lambda: Faiss("IVF{nlist},Flat", knobs={"nprobe": _PROBES}),
    "faiss-ivf-pq-refined": lambda: Faiss(
        "IVF{nlist},PQ64x4fs,Refine(Flat)", knobs={"nprobe": [16, 32, 48, 64, 96], "k_factor_rf": [5, 20]}
    ),
    "faiss-hnsw": lambda: Faiss(
        "HNSW16,Flat", knobs={"efSearch": [20, 40, 60, 80, 120, 160, 240, 320, 640]}, cells=False
    ),
    "hnswlib": Hnswlib,
}


def check_installed() -> None:
    """Ends the program where a library is missing."""
    try:
        import faiss  # noqa: F401
        import hnswlib  # noqa: F401
    except ImportError as error:
        raise SystemExit(f"{error}: {_PIP}") from error


def measure(name: str, directory: Path) -> Iterator[dict[str, Any]]:
    """Rows of one library: every setting under every condition."""
    vectors, tuning, reported = (np.load(directory / f"{part}.npy") for part in ("candidates", "a", "b"))
    truth = {part: np.load(directory / f"{part}.truth.npy") for part in ("a", "b")}
    library: Library = LIBRARIES[name]()
    for settings in library.builds(len(vectors)):
        say(f"building {name} {settings or ''}")
        before, began = _resident_mib(), time.perf_counter()
        library.build(vectors, settings, tuning)
        facts = {"library": name, "build_seconds": time.perf_counter() - began, "memory_mib": _resident_mib() - before}
        facts["disk_mib"] = _saved_mib(library, directory / f"saved.{name}")
        if isinstance(library, Ours):
            (directory / "tuned.json").write_text(json.dumps(_tuned(library)))
        for k in sorted({k for k, _, _ in CONDITIONS}):
            if k > len(vectors):
                continue
            for search in library.searches(k):
                library.use(search, threads=len(_CORES))
                recall = {
                    f"recall_{part}": _recall(library, queries, truth[part][:, :k])
                    for part, queries in (("a", tuning), ("b", reported))
                }
                for _, threads, batch in (condition for condition in CONDITIONS if condition[0] == k):
                    _pin(threads)
                    library.use(search, threads=threads)
                    timed = _timed(library, reported, k=k, batch=batch)
                    condition = {"k": k, "threads": threads, "batch": batch}
                    yield facts | {"settings": settings | search} | condition | recall | timed
                _pin(len(_CORES))


def say(line: str) -> None:
    """Tells how far it is, on the error stream."""
    print(f"  {time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _recall(library: Library, queries: np.ndarray, truth: np.ndarray) -> float:
    k = truth.shape[1]
    found = np.full((len(queries), k), -1, np.int64)
    for start in range(0, len(queries), 256):
        part = library.search(queries[start : start + 256], k)
        found[start : start + len(part), : part.shape[1]] = part  # a tree may run out of candidates
    return float(np.mean([len(np.intersect1d(*both)) / k for both in zip(found, truth, strict=True)]))


def _timed(library: Library, queries: np.ndarray, *, k: int, batch: int) -> dict[str, float]:
    parts = [queries[start : start + batch] for start in range(0, len(queries) - batch + 1, batch)]
    for part in parts[:2]:
        library.search(part, k)
    seconds: list[float] = []
    while sum(seconds) < _SECONDS or len(seconds) < 3:
        part = parts[len(seconds) % len(parts)]
        began = time.perf_counter()
        library.search(part, k)
        seconds.append(time.perf_counter() - began)
    p50, p99 = np.percentile(seconds, [50, 99])
    return {"qps": batch * len(seconds) / sum(seconds), "p50_ms": 1000 * p50, "p99_ms": 1000 * p99}


def _tuned(library: Ours) -> dict[str, Any]:
    settings = library.tuned.search.settings
    facts = {"settings": None if settings is None else asdict(replace(settings)), **library.tuned.point.facts()}
    return facts | {"builds": library.tuned.builds, "curve": library.tuned.curve}


def _pin(threads: int) -> None:
    """Lets all threads of this process, those of thread pools too, run on so many cores."""
    cores = set(sorted(_CORES)[:threads])
    for task in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def _saved_mib(library: Library, directory: Path) -> float:
    directory.mkdir(exist_ok=True)
    library.save(directory)
    files = [path for path in directory.iterdir() if path.is_file()]
    size = sum(path.stat().st_size for path in files) / (1 << 20)
    for path in files:
        path.unlink()
    return size


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main(name: str, directory: Path) -> None:
    """Measures one library into `rows.NAME.jsonl`, which is there when it is whole."""
    unfinished = directory / f"rows.{name}.part"
    with unfinished.open("w") as rows:
        for row in measure(name, directory):
            rows.write(json.dumps(row) + "\n")
    unfinished.rename(unfinished.with_suffix(".jsonl"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
