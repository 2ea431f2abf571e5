"""Filtered search beside faiss and hnswlib: a tag that a share of the candidates has, at four shares.

All libraries run in this process, on the same cores, and answer batches of queries that want one tag. Of a library's
settings, the fastest with a recall@10 of 0.95 on one half of the queries is reported, measured on the other half.
hnswlib takes its filter as a Python function, which it calls for every candidate that it meets.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness.processes import say
from benchmarks.harness.report import Goal, Record
from benchmarks.retrieval.vectors import clustered

SHARES = (0.5, 0.1, 0.01, 0.001)
K, BATCH, _RECALL = 10, 64, 0.95
Search = Callable[[np.ndarray], np.ndarray]
"""Rows of the best candidates, `[batch, any]`, of a batch of queries."""


class FilterRow(Record):
    """The chosen setting of a library at a share."""

    share: float
    library: str
    setting: int
    recall: float
    qps: float
    times_best_other: float | None = None


@dataclass(frozen=True)
class Subject:
    """Vectors, and which candidates have each tag.

    Attributes:
        vectors: float32 `[candidates, dim]`.
        queries: float32 `[queries, dim]`; every other one chooses the settings.
        has: by share, bool `[candidates]`.
    """

    vectors: np.ndarray
    queries: np.ndarray
    has: Mapping[float, np.ndarray]


def make_subject(candidates: int, *, queries: int) -> Subject:
    """Clustered unit vectors, and tags that are independent of them."""
    clusters, random = round(math.sqrt(candidates)), np.random.default_rng(2)
    vectors, asked = (clustered(n, clusters=clusters, seed=seed) for seed, n in enumerate((candidates, queries)))
    has = {}
    for share in SHARES:
        has[share] = np.zeros(candidates, bool)
        has[share][random.choice(candidates, max(K, round(share * candidates)), replace=False)] = True
    return Subject(vectors, asked, has)


def filter_rows(subject: Subject, *, seconds: float) -> list[FilterRow]:
    """Measures every library at every share."""
    rows: list[FilterRow] = []
    makers: Mapping[str, Callable[[Subject], Callable[[float], Iterator[tuple[int, Search]]]]] = {
        "ours": _ours,
        "faiss-ivf-flat": _faiss_cells,
        "faiss-hnsw": _faiss_graph,
        "hnswlib": _hnswlib,
    }
    for name, make in makers.items():
        say(f"building {name}")
        searches = make(subject)
        for share in SHARES:
            say(f"{name}: share {share}")
            measured = [
                _measured(subject, share, name, setting, search, seconds=seconds) for setting, search in searches(share)
            ]
            rows.append(_best(measured))
    return [row.model_copy(update={"times_best_other": _ratio(row, rows)}) for row in rows]


def filter_goals(rows: Sequence[FilterRow]) -> Iterator[Goal]:
    """The recall of this pipeline's index."""
    for row in rows:
        if row.library == "ours":
            yield Goal.at_least(f"recall@10 where a share of {row.share:g} matches, ≥ {_RECALL}", row.recall, _RECALL)


def _measured(
    subject: Subject, share: float, name: str, setting: int, search: Search, *, seconds: float
) -> tuple[float, FilterRow]:
    """The recall on the tuning queries, and the row of the reported ones."""
    tuning, reported = subject.queries[::2], subject.queries[1::2]
    recalls = [_recall(subject, share, queries, search) for queries in (tuning, reported)]
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or done == 0:
        start = done % max(len(reported) - BATCH + 1, 1)
        search(reported[start : start + BATCH])
        done += min(BATCH, len(reported))
    qps = done / (time.perf_counter() - began)
    return recalls[0], FilterRow(share=share, library=name, setting=setting, recall=recalls[1], qps=qps)


def _recall(subject: Subject, share: float, queries: np.ndarray, search: Search) -> float:
    rows = np.flatnonzero(subject.has[share])
    best = np.argsort(-(queries @ subject.vectors[rows].T), axis=1)[:, :K]
    found = [row for start in range(0, len(queries), BATCH) for row in search(queries[start : start + BATCH])]
    return float(np.mean([len(np.intersect1d(*both)) / K for both in zip(found, rows[best], strict=True)]))


def _best(measured: Sequence[tuple[float, FilterRow]]) -> FilterRow:
    reaching = [row for recall, row in measured if recall >= _RECALL]
    return max(reaching, key=lambda row: row.qps) if reaching else max(measured, key=lambda each: each[0])[1]


def _ratio(row: FilterRow, rows: Sequence[FilterRow]) -> float | None:
    """Queries a second, relative to the fastest other library with the recall; None if no other has it."""
    others = [it.qps for it in rows if it.share == row.share and it.library != row.library and it.recall >= _RECALL]
    return row.qps / max(others) if others else None


def _ours(subject: Subject) -> Callable[[float], Iterator[tuple[int, Search]]]:
    import tensorflow as tf

    from models.retrieval.attributes import ValueConstraint, Values
    from models.retrieval.constrained import Asked, ConstrainedSearch
    from models.retrieval.index import ExactSearch
    from models.retrieval.scann_index import ScannSearch
    from models.spec.tree_settings import TreeSettings

    candidates, leaves = len(subject.vectors), round(math.sqrt(len(subject.vectors)))
    settings = TreeSettings(leaves, math.ceil(0.08 * leaves), 0.2, 1, 10 * K, 100_000, K)
    index = ScannSearch(ExactSearch(subject.vectors), settings)
    has = np.stack([subject.has[share] for share in SHARES], axis=1)
    rows, codes = np.nonzero(has)
    constraint = ValueConstraint(
        "tag", "any_of", Values(np.array([str(share) for share in SHARES], object), codes, rows), candidates=candidates
    )
    search = ConstrainedSearch(index, {"tag": constraint}, candidates=candidates)

    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None, None], tf.string)])
    def find(queries: tf.Tensor, tags: tf.Tensor) -> tf.Tensor:
        wanted = {"tag": constraint.wanted({"where_tag": tags})}
        return search.find(Asked(queries, tf.fill([tf.shape(queries)[0], 0], -1), wanted), K)[0]

    def searches(share: float) -> Iterator[tuple[int, Search]]:
        yield 0, lambda queries: find(tf.constant(queries), tf.fill([len(queries), 1], str(share))).numpy()

    return searches


def _faiss_cells(subject: Subject) -> Callable[[float], Iterator[tuple[int, Search]]]:
    import faiss

    leaves = round(math.sqrt(len(subject.vectors)))
    index = faiss.index_factory(subject.vectors.shape[1], f"IVF{leaves},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(subject.vectors)
    index.add(subject.vectors)

    def searches(share: float) -> Iterator[tuple[int, Search]]:
        chosen = faiss.IDSelectorBitmap(np.packbits(subject.has[share], bitorder="little"))
        for cells in sorted({min(cells, leaves) for cells in (8, 16, 32, 64, 128, leaves)}):
            asked = faiss.SearchParametersIVF(sel=chosen, nprobe=cells)
            yield cells, partial(_faiss_search, index, asked)

    return searches


def _faiss_graph(subject: Subject) -> Callable[[float], Iterator[tuple[int, Search]]]:
    import faiss

    index = faiss.index_factory(subject.vectors.shape[1], "HNSW16,Flat", faiss.METRIC_INNER_PRODUCT)
    faiss.ParameterSpace().set_index_parameter(index, "efConstruction", 100)
    index.add(subject.vectors)

    def searches(share: float) -> Iterator[tuple[int, Search]]:
        chosen = faiss.IDSelectorBitmap(np.packbits(subject.has[share], bitorder="little"))
        for width in (40, 80, 160, 640, 2560):
            asked = faiss.SearchParametersHNSW(sel=chosen, efSearch=width)
            yield width, partial(_faiss_search, index, asked)

    return searches


def _faiss_search(index: Any, parameters: Any, queries: np.ndarray) -> np.ndarray:
    found: np.ndarray = index.search(queries, K, params=parameters)[1]
    return found


def _hnswlib(subject: Subject) -> Callable[[float], Iterator[tuple[int, Search]]]:
    import hnswlib

    index: Any = hnswlib.Index("ip", subject.vectors.shape[1])
    index.init_index(len(subject.vectors), M=16, ef_construction=100)
    index.add_items(subject.vectors)

    def searches(share: float) -> Iterator[tuple[int, Search]]:
        has = subject.has[share].tolist()

        def search(queries: np.ndarray, width: int) -> np.ndarray:
            index.set_ef(width)
            try:  # several threads would wait for the interpreter
                found: np.ndarray = index.knn_query(queries, K, num_threads=1, filter=has.__getitem__)[0]
            except RuntimeError:  # fewer than K were found
                return np.full((len(queries), 1), -1)
            return found.astype(np.int64)

        for width in (40, 80, 160, 640):
            yield width, partial(search, width=width)

    return searches
