"""The libraries side by side: rows, the setting that is chosen of each, and goals."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.pipeline_runs import run_pipeline
from benchmarks.harness.processes import run_task, say
from benchmarks.harness.report import Goal, Record
from benchmarks.retrieval.tasks import LIBRARIES, Condition, LibraryName, LibraryTask, Measurement, Measurements
from benchmarks.retrieval.vectors import clustered, trained, write

_CONFIG = Path(__file__).parents[2] / "tfx_config" / "movielens_100k.yaml"
_RECALL, _REPORTED_RECALL = 0.95, 0.93
_RIVALS: Sequence[LibraryName] = ("hnswlib", "faiss-hnsw", "faiss-ivf-flat", "faiss-ivf-pq-refined")


class LibraryRow(Record):
    """The chosen setting of a library under a condition."""

    data: str
    k: int
    threads: int
    batch: int
    library: LibraryName
    recall: float
    qps: float
    p50_ms: float
    p99_ms: float
    build_seconds: float
    memory_mib: float
    disk_mib: float
    settings: Mapping[str, int | None]


@dataclass(frozen=True)
class DataSet:
    """Vectors to search.

    Attributes:
        name: of the data set, and of its directory below `work`.
        write: writes the vectors to a directory.
    """

    name: str
    write: Callable[[Path], None]


def clustered_set(size: int, *, queries: int) -> DataSet:
    """So many clustered unit vectors."""

    def write_clustered(directory: Path) -> None:
        say(f"making {size:,} clustered vectors")
        clusters = round(math.sqrt(size))
        candidates, asked = (clustered(n, clusters=clusters, seed=seed) for seed, n in enumerate((size, queries)))
        write(directory, candidates=candidates, queries=asked)

    return DataSet(str(size), write_clustered)


def trained_set(run: Path | None, *, work: Path) -> DataSet:
    """Items and queries of a pipeline's model; without a run, a model is trained on MovieLens 100k below `work`."""
    made = work / "runs" / _CONFIG.stem

    def write_trained(directory: Path) -> None:
        if run is None:
            say(f"training with {_CONFIG.name}")
            run_pipeline("run", str(_CONFIG), "--root", str(made.parent))
        candidates, asked = trained(run or made, scratch=work)
        write(directory, candidates=candidates, queries=asked)

    return DataSet((run or made).name, write_trained)


def measure(data: DataSet, libraries: Sequence[LibraryName], *, work: Path, seconds: float) -> list[Measurement]:
    """Measures every library under every condition; reads what an earlier call has measured."""
    rows: list[Measurement] = []
    directory = work / data.name
    for name in libraries:
        file = directory / f"{name}.json"
        if not file.exists():
            if not directory.exists():
                data.write(directory)
            say(f"{data.name}: {name}")
            task = LibraryTask(library=name, directory=directory, seconds=seconds)
            found = run_task("benchmarks.retrieval.library_process", task, Measurements, shows_errors=True).result
            part = file.with_suffix(".part")
            part.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
            part.rename(file)
        rows += Measurements.model_validate_json(file.read_text(encoding="utf-8")).rows
    return rows


def library_rows(data: str, measurements: Sequence[Measurement]) -> Iterator[LibraryRow]:
    """For every condition and library the fastest setting whose recall on the tuning queries suffices."""
    by_condition: dict[tuple[Condition, int], list[Measurement]] = {}
    for row in measurements:
        by_condition.setdefault((row.condition, LIBRARIES.index(row.library)), []).append(row)
    for key in sorted(by_condition):
        chosen = best(by_condition[key], _RECALL).model_dump(exclude={"tuning_recall"})
        yield LibraryRow(data=data, **chosen)


def best(rows: Sequence[Measurement], recall: float) -> Measurement:
    """The fastest that reaches a recall on the tuning queries; the most accurate if none does."""
    reaching = [row for row in rows if row.tuning_recall >= recall]
    return max(reaching, key=lambda row: row.qps) if reaching else max(rows, key=lambda row: row.tuning_recall)


def _at(rows: Sequence[Measurement], library: LibraryName, condition: Condition) -> list[Measurement]:
    return [row for row in rows if (row.library, row.condition) == (library, condition)]


def comparison_goals(rows: Sequence[Measurement]) -> Iterator[Goal]:
    """A million vectors: the index beside the best of hnswlib and faiss, and beside TFRS's layer."""
    for batch in (64, 1):
        condition = Condition(k=10, threads=1, batch=batch)
        ours = _at(rows, "ours", condition)
        chosen = [best(found, _RECALL) for name in _RIVALS if (found := _at(rows, name, condition))]
        rivals = [row.qps for row in chosen if row.tuning_recall >= _RECALL]
        if ours and rivals:
            text = (
                f"1M, recall@10 of 0.95, one thread, batches of {batch}: times the QPS of the best of hnswlib and faiss"
            )
            yield Goal.at_least(f"{text}, ≥ 1", best(ours, _RECALL).qps / max(rivals), 1.0)
    condition = Condition(k=10, threads=2, batch=64)
    ours, layer = _at(rows, "ours", condition), _at(rows, "tfrs-scann-reordered", condition)
    if ours and layer:
        rival = best(layer, _RECALL)
        text = "1M, batches of 64: times the QPS of TFRS's reordered layer at its recall, ≥ 1.5"
        yield Goal.at_least(text, best(ours, rival.tuning_recall).qps / rival.qps, 1.5)


def quick_comparison_goals(rows: Sequence[Measurement]) -> Iterator[Goal]:
    """Speed says nothing about few vectors, recall does."""
    ours = _at(rows, "ours", Condition(k=10, threads=1, batch=64))
    if ours:
        recall = best(ours, _RECALL).recall
        text = f"recall@10 of this pipeline's index on queries it was not tuned on, ≥ {_REPORTED_RECALL}"
        yield Goal.at_least(text, recall, _REPORTED_RECALL)
