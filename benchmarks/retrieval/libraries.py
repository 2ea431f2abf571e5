"""The libraries that are compared, behind one interface."""

# ruff: noqa: D102  (Library documents the methods)

import math
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

import models  # noqa: F401  # chooses the Keras that TensorFlow Recommenders needs
from benchmarks.harness.processes import say, say_report
from benchmarks.retrieval.tasks import LibraryName

Settings = Mapping[str, int | None]

CORES = sorted(os.sched_getaffinity(0))
_TRAINING = 40  # candidates that a centre is learnt from, as faiss recommends


class Library(Protocol):
    """One way to search, built with each of `builds` in turn."""

    def builds(self, candidates: int) -> Sequence[Settings]:
        """Settings that each need an index of their own."""

    def build(self, vectors: np.ndarray, settings: Settings, queries: np.ndarray) -> None:
        """Indexes float32 `[candidates, dim]`; a library that tunes itself uses `queries`."""

    def searches(self, k: int) -> Sequence[Settings]:
        """Settings of the search to try for `k` answers."""

    def use(self, settings: Settings, *, threads: int) -> None:
        """Changes to these settings of the search and this number of threads."""

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Rows of the best candidates, `[batch, k]`."""

    def save(self, path: Path) -> None:
        """Writes the index below an empty directory."""


class Faiss:
    """An index of faiss.

    Args:
        name: of faiss's index factory.
        knobs: values to try of each parameter of the search.
        cells: whether the index has cells, whose number is a setting of the build.
    """

    def __init__(self, name: str, *, knobs: dict[str, list[int]], cells: bool = True) -> None:
        import faiss

        self._faiss, self._name, self._knobs, self._cells = faiss, name, knobs, cells

    def builds(self, candidates: int) -> Sequence[Settings]:
        root = math.sqrt(candidates)
        return [{"nlist": max(1, round(root * times))} for times in (1, 2)] if self._cells else [{}]

    def build(self, vectors: np.ndarray, settings: Settings, queries: np.ndarray) -> None:
        self._faiss.omp_set_num_threads(len(CORES))
        name = self._name.format(**settings)
        self._index: Any = self._faiss.index_factory(vectors.shape[1], name, self._faiss.METRIC_INNER_PRODUCT)
        if not self._cells:
            self._faiss.ParameterSpace().set_index_parameter(self._index, "efConstruction", 100)
        sample = np.random.default_rng(0).permutation(len(vectors))[
            : max(10_000, _TRAINING * (settings.get("nlist") or 0))
        ]
        self._index.train(vectors[np.sort(sample)])
        self._index.add(vectors)

    def searches(self, k: int) -> Sequence[Settings]:
        return [dict(zip(self._knobs, values, strict=True)) for values in product(*self._knobs.values())]

    def use(self, settings: Settings, *, threads: int) -> None:
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

    def builds(self, candidates: int) -> Sequence[Settings]:
        return [{"M": 16, "ef_construction": 100}]

    def build(self, vectors: np.ndarray, settings: Settings, queries: np.ndarray) -> None:
        import hnswlib

        self._index = hnswlib.Index("ip", vectors.shape[1])
        self._index.init_index(len(vectors), **settings)
        self._index.set_num_threads(len(CORES))
        self._index.add_items(vectors)

    def searches(self, k: int) -> Sequence[Settings]:
        return [{"ef": ef} for ef in _EF if ef >= k]

    def use(self, settings: Settings, *, threads: int) -> None:
        self._index.set_num_threads(threads)
        self._index.set_ef(settings["ef"])

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found: np.ndarray = self._index.knn_query(queries, k)[0]
        return found

    def save(self, path: Path) -> None:
        self._index.save_index(str(path / "index"))


class TfrsLayer:
    """A layer of TensorFlow Recommenders; every setting of its ScaNN is built in."""

    def __init__(self, kind: Literal["brute_force", "defaults", "reordered"]) -> None:
        import tensorflow_recommenders as tfrs

        self._kind, self._layers = kind, tfrs.layers.factorized_top_k

    def builds(self, candidates: int) -> Sequence[Settings]:
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

    def build(self, vectors: np.ndarray, settings: Settings, queries: np.ndarray) -> None:
        import tensorflow as tf

        if self._kind == "brute_force":
            self._layer = self._layers.BruteForce(k=10)
        else:
            self._layer = self._layers.ScaNN(k=10, **{"num_leaves": min(100, len(vectors)), **settings})
        self._layer.index(tf.constant(vectors))
        self._call = tf.function(lambda queries, k: self._layer(queries, k=k), reduce_retracing=True)
        self._constant = tf.constant

    def searches(self, k: int) -> Sequence[Settings]:
        return [{}]

    def use(self, settings: Settings, *, threads: int) -> None:
        """The layer has no settings of the search; its threads are the cores that the process may use."""

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found: np.ndarray = self._call(self._constant(queries), k)[1].numpy()
        return found

    def save(self, path: Path) -> None:
        import tensorflow as tf

        tf.train.Checkpoint(self._layer).write(str(path / "index"))


class Ours:
    """The index of this pipeline, tuned for a recall@10 of 0.95; called through `scann_ops`, without a signature."""

    def __init__(self) -> None:
        import tensorflow as tf
        from scann.scann_ops.py import scann_ops

        self._constant, self._open = tf.constant, scann_ops.searcher_from_module

    def builds(self, candidates: int) -> Sequence[Settings]:
        return [{}]

    def build(self, vectors: np.ndarray, settings: Settings, queries: np.ndarray) -> None:
        from components.scann_indexer import IndexConfig, RecallTarget
        from components.scann_indexer.index_tuning import Tuner
        from models.retrieval.index import ExactSearch

        config = IndexConfig(recall_target=RecallTarget(k=10, recall=0.95))
        exact = ExactSearch(vectors)
        tuner = Tuner(config, exact, queries, answers=10, other_queries=len(queries), progress=say_report)
        self.tuned = tuner.tune()
        self._state, self._chosen = self.tuned.search.state, self.tuned.search.settings
        say(f"chose {self._chosen}")
        self._searcher = self._open(self._state)

    def searches(self, k: int) -> Sequence[Settings]:
        if self._chosen is None:
            return [{"leaves": None, "reorder": None}]
        times = (0.25, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3)
        leaves = {
            min(self._chosen.leaves, max(1, round(share * self._chosen.leaves_to_search))): None for share in times
        }
        depths = [self._chosen.reorder, 3 * self._chosen.reorder] if k == 10 else [200, 400]
        return [{"leaves": count, "reorder": max(k, depth)} for count in leaves for depth in depths]

    def use(self, settings: Settings, *, threads: int) -> None:
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
_EF = [20, 40, 60, 80, 120, 160, 240, 320, 640]
_REFINED = {"nprobe": [16, 32, 48, 64, 96], "k_factor_rf": [5, 20]}

MAKERS: Mapping[LibraryName, Callable[[], Library]] = {
    "ours": Ours,
    "tfrs-brute-force": lambda: TfrsLayer("brute_force"),
    "tfrs-scann": lambda: TfrsLayer("defaults"),
    "tfrs-scann-reordered": lambda: TfrsLayer("reordered"),
    "faiss-ivf-flat": lambda: Faiss("IVF{nlist},Flat", knobs={"nprobe": _PROBES}),
    "faiss-ivf-pq-refined": lambda: Faiss("IVF{nlist},PQ64x4fs,Refine(Flat)", knobs=_REFINED),
    "faiss-hnsw": lambda: Faiss("HNSW16,Flat", knobs={"efSearch": _EF}, cells=False),
    "hnswlib": Hnswlib,
}
