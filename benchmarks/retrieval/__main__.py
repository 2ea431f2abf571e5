"""This pipeline's index beside TensorFlow Recommenders' layers, faiss and hnswlib: recall against queries a second.

The data are 100,000 and 1,000,000 clustered unit vectors of 64 dimensions, and the items of a model trained on
MovieLens 100k. Every library's settings are chosen on one half of the queries and reported on the other; each library
runs in a process of its own, pinned to one core or two. The served model comes next: raw features in, ids out, beside
ScaNN's operation and the query tower alone. `--memory` measures saving and loading up to 5,000,000 candidates instead,
and `--filters` filtered search of the least of `--sizes` beside faiss's selectors and hnswlib's filter.

All of it takes about half an hour on two cores. `--work DIR` keeps what is measured: the same command continues where
it was stopped, and `--libraries` and `--sizes` measure a part of it at a time.
"""

import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.harness.report import Record, finish, parser
from benchmarks.retrieval.tasks import LIBRARIES, Measurement

_SIZES, _QUICK_SIZES = (100_000, 1_000_000), (20_000,)
_MEMORY_SIZES, _QUICK_MEMORY_SIZES = (100_000, 1_000_000, 5_000_000), (20_000, 50_000)
_QUICK_FILTERED = 20_000
_QUERIES, _QUICK_QUERIES = 2000, 600
_SECONDS, _QUICK_SECONDS = 0.4, 0.02
_BATCHES = (1, 64)
_PIP = "pip install 'tfrs-pipeline[benchmarks]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares the libraries, or measures memory."""
    options = parser("retrieval", __doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="candidates of the clustered sets")
    options.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=LIBRARIES)
    options.add_argument("--model", type=Path, help="a pipeline's runs, such as runs/movielens_100k; trained if absent")
    options.add_argument("--curves", type=Path, metavar="FILE", help="also write every setting measured, as JSON lines")
    options.add_argument("--memory", action="store_true", help="save and load up to 5,000,000 candidates instead")
    options.add_argument("--filters", action="store_true", help="search by attributes instead, at four shares")
    options.add_argument("--work", type=Path, metavar="DIR", help="keep what is measured here; temporary if absent")
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="retrieval-") as temporary:
        work = chosen.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if chosen.filters:
            return _filters(chosen)
        return _memory(chosen, work) if chosen.memory else _search(chosen, work)


def _search(chosen: Namespace, work: Path) -> int:
    _check_installed()
    from benchmarks.retrieval.catalogue import latency_goals, served_rows
    from benchmarks.retrieval.comparison import (
        clustered_set,
        comparison_goals,
        library_rows,
        measure,
        quick_comparison_goals,
        trained_set,
    )

    sizes = _QUICK_SIZES if chosen.quick else sorted(chosen.sizes)
    queries, seconds = (_QUICK_QUERIES, _QUICK_SECONDS) if chosen.quick else (_QUERIES, _SECONDS)
    sets = [clustered_set(size, queries=queries) for size in sizes]
    if chosen.model or not chosen.quick:
        sets.append(trained_set(chosen.model, work=work))
    found = {data.name: measure(data, chosen.libraries, work=work, seconds=seconds) for data in sets}
    largest = found[sets[len(sizes) - 1].name]
    served = served_rows(work / "served", sizes[-1], batches=_BATCHES)
    if chosen.curves is not None:
        _write_curves(chosen.curves, found)
    rows: list[Record] = [row for name, measured in found.items() for row in library_rows(name, measured)]
    if chosen.quick:
        goals = list(quick_comparison_goals(largest))
    else:
        goals = [*comparison_goals(largest), *latency_goals(served)] if sizes[-1] >= max(_SIZES) else []
    return finish(chosen.json, rows=[*rows, *served], goals=goals)


def _filters(chosen: Namespace) -> int:
    _check_installed()
    from benchmarks.retrieval.filters import filter_goals, filter_rows, make_subject

    size = _QUICK_FILTERED if chosen.quick else min(chosen.sizes)
    subject = make_subject(size, queries=_QUICK_QUERIES if chosen.quick else _QUERIES)
    rows = filter_rows(subject, seconds=_QUICK_SECONDS if chosen.quick else _SECONDS)
    return finish(chosen.json, rows=rows, goals=list(filter_goals(rows)))


def _memory(chosen: Namespace, work: Path) -> int:
    from benchmarks.retrieval.catalogue import memory_goals, served_rows

    sizes = _QUICK_MEMORY_SIZES if chosen.quick else _MEMORY_SIZES
    rows = [row for size in sizes for row in served_rows(work / f"served-{size}", size)]
    # A few thousand vectors are lost among everything else that a process holds.
    return finish(chosen.json, rows=rows, goals=[] if chosen.quick else list(memory_goals(rows)))


def _write_curves(file: Path, found: dict[str, list[Measurement]]) -> None:
    lines = [
        f"{_Curve(data=name, **row.model_dump()).model_dump_json()}\n" for name, rows in found.items() for row in rows
    ]
    file.write_text("".join(lines), encoding="utf-8")


class _Curve(Measurement):
    """A measurement and its data set."""

    data: str


def _check_installed() -> None:
    for library in ("faiss", "hnswlib"):
        if find_spec(library) is None:
            raise SystemExit(f"{library} is not installed: {_PIP}")


if __name__ == "__main__":
    sys.exit(main())
