"""What the measured processes are asked, and what they answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from benchmarks.harness.report import Record

LibraryName = Literal[
    "ours", "tfrs-brute-force", "tfrs-scann", "tfrs-scann-reordered", "faiss-ivf-flat", "faiss-ivf-pq-refined",
    "faiss-hnsw", "hnswlib",
]  # fmt: skip
LIBRARIES: tuple[LibraryName, ...] = get_args(LibraryName)


class Condition(NamedTuple):
    """How a library is asked: answers of a query, threads, and queries of a call."""

    k: int
    threads: int
    batch: int


class LibraryTask(Record):
    """A library to measure under every condition.

    Attributes:
        library: which.
        directory: holds the vectors that `vectors.write` wrote.
        seconds: of each measurement.
    """

    library: LibraryName
    directory: Path
    seconds: float


class Measurement(Record):
    """A setting of a library under a condition.

    Attributes:
        settings: by the library's own names.
        tuning_recall: recall@k on the queries that settings are chosen by.
        recall: recall@k on the other half of the queries, which are also the ones that are timed.
        qps: queries a second.
    """

    library: LibraryName
    k: int
    threads: int
    batch: int
    settings: Mapping[str, int | None]
    tuning_recall: float
    recall: float
    qps: float
    p50_ms: float
    p99_ms: float
    build_seconds: float
    memory_mib: float
    disk_mib: float

    @property
    def condition(self) -> Condition:
        """How the library was asked."""
        return Condition(self.k, self.threads, self.batch)


class Measurements(Record):
    """All measurements of a library."""

    rows: Sequence[Measurement]


class SaveTask(Record):
    """A served model to export.

    Attributes:
        directory: where the model goes.
        candidates: size of the catalogue.
    """

    directory: Path
    candidates: int


class Saved(Record):
    """An exported model."""

    build_seconds: float
    export_seconds: float
    disk_mib: float
    leaves_to_search: int
    reorder: int


class LoadTask(Record):
    """A served model to load.

    Attributes:
        directory: where the model is.
        saved: what is known of it.
        batches: requests of a call; one latency each.
    """

    directory: Path
    saved: Saved
    batches: Sequence[int]


class Latency(Record):
    """Median milliseconds of a call with `batch` requests.

    Attributes:
        signature_ms: raw features in, ids out.
        scann_and_tower_ms: the query tower and ScaNN's operation alone, which no server can do without.
    """

    batch: int
    signature_ms: float
    scann_and_tower_ms: float


class Loaded(Record):
    """A loaded model."""

    first_answer_seconds: float
    latencies: Sequence[Latency]
