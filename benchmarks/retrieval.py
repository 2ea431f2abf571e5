"""This pipeline's index beside TensorFlow Recommenders' layers, faiss and hnswlib: recall against queries a second.

100,000 and 1,000,000 clustered unit vectors of 64 dimensions, and the items of a model trained on MovieLens 100k. Every
library's settings are chosen on one half of the queries and reported on the other; each runs in a process of its own,
pinned to one core or two. Then the served model: raw features in, ids out, beside ScaNN's operation and the query
tower alone. `--memory` measures saving and loading up to 5,000,000 candidates instead.

All of it takes about half an hour on two cores. With `--work DIR` what is measured is kept there: the same command goes
on where it was stopped, and `--libraries` and `--sizes` measure a part of it at a time.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.harness import Goal, finish, measured, parser, run_pipeline
from benchmarks.retrieval_data import clustered, trained, write
from benchmarks.retrieval_libraries import LIBRARIES, check_installed, say

SIZES = (100_000, 1_000_000)
MEMORY_SIZES = (100_000, 1_000_000, 5_000_000)
QUERIES = 2000
_CONFIG = "tfx_config/movielens_100k.yaml"
_RECALL = 0.95
_BYTES = 64 * 4  # of a candidate's vector
_RIVALS = ("hnswlib", "faiss-hnsw", "faiss-ivf-flat", "faiss-ivf-pq-refined")
_COLUMNS = ("data", "k", "threads", "batch", "library", "recall_b", "qps", "p50_ms", "p99_ms", "build_seconds",
            "memory_mib", "disk_mib")  # fmt: skip

Row = dict[str, Any]


def main() -> int:
    """Runs everything that was asked for."""
    options = parser(__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="candidates of the clustered sets")
    options.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    options.add_argument("--model", type=Path, help="a pipeline's runs, such as runs/movielens_100k; trained if absent")
    options.add_argument("--curves", type=Path, metavar="FILE", help="also write every setting measured, as JSON lines")
    options.add_argument("--memory", action="store_true", help="saves and loads up to 5,000,000 candidates instead")
    options.add_argument("--work", type=Path, metavar="DIR", help="keeps what is measured there; nothing if absent")
    arguments = options.parse_args()
    check_installed()
    with tempfile.TemporaryDirectory(prefix="retrieval-") as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        return _memory(arguments, work) if arguments.memory else _search(arguments, work)


def _search(arguments: argparse.Namespace, work: Path) -> int:
    sizes = [20_000] if arguments.quick else sorted(arguments.sizes)
    queries = 600 if arguments.quick else QUERIES
    rows: list[Row] = []
    for size in sizes:
        rows += _compare(work / str(size), arguments.libraries, partial(_write_clustered, size=size, queries=queries))
    run = arguments.model or (None if arguments.quick else work / "runs" / Path(_CONFIG).stem)
    if run is not None:
        rows += _compare(work / run.name, arguments.libraries, partial(_write_trained, run=run, work=work))
    path = _path(work / "path", sizes[-1], "ask")
    if arguments.curves is not None:
        arguments.curves.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    goals = [*_search_goals([row for row in rows if row["data"] == f"{sizes[-1]}"], sizes[-1]), *_path_goals(path)]
    return finish(arguments, rows=[*map(_shown, _chosen(rows)), *path], goals=goals)


def _write_clustered(directory: Path, *, size: int, queries: int) -> None:
    say(f"making {size:,} clustered vectors")
    clusters = round(math.sqrt(size))
    candidates, asked = (clustered(n, clusters=clusters, seed=seed) for seed, n in enumerate((size, queries)))
    write(directory, candidates=candidates, queries=asked)


def _write_trained(directory: Path, *, run: Path, work: Path) -> None:
    """Items and queries of a pipeline's model, which is trained first if it is the one below `work`."""
    if run.is_relative_to(work):
        say(f"training with {_CONFIG}")
        run_pipeline("run", _CONFIG, "--root", str(run.parent))
    candidates, asked = trained(run, scratch=work)
    write(directory, candidates=candidates, queries=asked)


def _compare(directory: Path, libraries: Sequence[str], make: Callable[[Path], None]) -> list[Row]:
    """Every library under every condition, on data that `make` writes; what has been measured before is read."""
    rows: list[Row] = []
    for name in libraries:
        file = directory / f"rows.{name}.jsonl"
        if not file.exists():
            if not directory.exists():
                make(directory)
            say(f"{directory.name}: {name}")
            subprocess.run([sys.executable, "-m", "benchmarks.retrieval_libraries", name, str(directory)], check=True)
        rows += [{"data": directory.name, **json.loads(line)} for line in file.read_text().splitlines()]
    return rows


def _chosen(rows: list[Row]) -> list[Row]:
    """For every data set, library and condition the fastest setting whose recall on the tuning queries suffices."""
    conditions: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("data", "k", "threads", "batch", "library"))
        conditions.setdefault(key, []).append(row)
    return [
        _best(conditions[key], _RECALL)
        for key in sorted(conditions, key=lambda key: (*key[:-1], list(LIBRARIES).index(key[-1])))
    ]


def _shown(row: Row) -> Row:
    settings = " ".join(f"{name}={value}" for name, value in row["settings"].items())
    return {name: row[name] for name in _COLUMNS} | {"settings": settings}


def _best(rows: list[Row], recall: float) -> Row:
    """The fastest that reaches a recall on the tuning queries; the most accurate if none does."""
    reaching = [row for row in rows if row["recall_a"] >= recall]
    return max(reaching, key=lambda row: row["qps"]) if reaching else max(rows, key=lambda row: row["recall_a"])


def _search_goals(rows: list[Row], size: int) -> list[Goal]:
    measured_fully = size >= max(SIZES)

    def at(library: str, k: int, threads: int, batch: int) -> list[Row]:
        wanted = (library, k, threads, batch)
        return [row for row in rows if (row["library"], row["k"], row["threads"], row["batch"]) == wanted]

    goals = []
    for batch in (64, 1):
        ours = at("ours", 10, 1, batch)
        best = [_best(found, _RECALL) for name in _RIVALS if (found := at(name, 10, 1, batch))]
        rivals = [row["qps"] for row in best if row["recall_a"] >= _RECALL]
        ratio = _best(ours, _RECALL)["qps"] / max(rivals) if ours and rivals else None
        text = f"1M, recall@10 of .95, one thread, batches of {batch}: times the QPS of the best of hnswlib and faiss"
        goals.append(Goal.at_least(text, ratio if measured_fully else None, 1.0))
    layer = at("tfrs-scann-reordered", 10, 2, 64)
    ratio = None
    if layer and (ours := at("ours", 10, 2, 64)):
        best_layer = _best(layer, _RECALL)
        ratio = _best(ours, best_layer["recall_a"])["qps"] / best_layer["qps"]
    text = "1M, batches of 64: times the QPS of TFRS's reordered layer at its recall"
    return [*goals, Goal.at_least(text, ratio if measured_fully else None, 1.5)]


def _path(directory: Path, size: int, action: str) -> list[Row]:
    """Exports a served model and loads it, each in a process of its own; with `ask` its latency as well."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    module = [sys.executable, "-m", "benchmarks.retrieval_path"]
    say(f"saving a served model of {size:,} candidates")
    saving = measured([*module, "save", str(directory), str(size)])
    say("loading it")
    loading = measured([*module, action, str(directory)])
    facts = {"data": f"served {size}", "candidates": size, **json.loads((directory / "saved.json").read_text())}
    facts |= {"save_peak_mib": saving.peak_mib, "load_seconds": loading.seconds, "load_peak_mib": loading.peak_mib}
    asked = json.loads((directory / "asked.json").read_text()) if action == "ask" else [{}]
    shutil.rmtree(directory)
    return [facts | row for row in asked]


def _path_goals(rows: list[Row]) -> list[Goal]:
    return [
        Goal.at_most(
            f"{row['candidates']:,} candidates, batches of {row['batch']}: raw features to ids, times ScaNN's "
            "operation and the query tower",
            row["signature_ms"] / row["scann_and_tower_ms"] if row["candidates"] >= max(SIZES) else None,
            1.3,
        )
        for row in rows
    ]


def _memory(arguments: argparse.Namespace, work: Path) -> int:
    sizes = (20_000, 50_000) if arguments.quick else MEMORY_SIZES
    rows = [row for size in sizes for row in _path(work / f"served-{size}", size, "load")]
    goals = []
    for first, second in pairwise(rows):
        added = second["candidates"] - first["candidates"]
        for action, limit in (("save", 5.0), ("load", 4.0)):
            mib = second[f"{action}_peak_mib"] - first[f"{action}_peak_mib"]
            text = f"{action}, from {first['candidates']:,} to {second['candidates']:,}: memory, times the vectors'"
            goals.append(Goal.at_most(text, None if arguments.quick else mib * (1 << 20) / (added * _BYTES), limit))
    return finish(arguments, rows=rows, goals=goals)


if __name__ == "__main__":
    raise SystemExit(main())
