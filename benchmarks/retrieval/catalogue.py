"""The served model of a large catalogue: rows and goals of saving, loading and asking it."""

import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.harness.processes import run_task, say
from benchmarks.harness.report import Goal, Record
from benchmarks.retrieval.tasks import Latency, Loaded, LoadTask, Saved, SaveTask
from benchmarks.retrieval.vectors import DIMENSION

_BYTES = DIMENSION * 4  # of a candidate's vector
_MOST_SAVING, _MOST_LOADING = 5.0, 4.0


class ServedRow(Record):
    """A served model; with the latencies of one batch size, if the model was asked.

    Attributes:
        save_peak_mib: most memory of the process that exports.
        load_seconds: of the whole process that loads.
        load_peak_mib: most memory of that process.
    """

    candidates: int
    build_seconds: float
    export_seconds: float
    disk_mib: float
    save_peak_mib: float
    load_seconds: float
    load_peak_mib: float
    first_answer_seconds: float
    batch: int | None = None
    signature_ms: float | None = None
    scann_and_tower_ms: float | None = None


def served_rows(directory: Path, candidates: int, *, batches: Sequence[int] = ()) -> list[ServedRow]:
    """Exports a served model and loads it, each in a process of its own; a row for each batch size, or one."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    say(f"saving a served model of {candidates:,} candidates")
    task = SaveTask(directory=directory, candidates=candidates)
    saving = run_task("benchmarks.retrieval.save_process", task, Saved)
    saved = saving.result
    say("loading it")
    loading = run_task(
        "benchmarks.retrieval.load_process", LoadTask(directory=directory, saved=saved, batches=batches), Loaded
    )
    shutil.rmtree(directory)
    row = ServedRow(
        candidates=candidates,
        build_seconds=saved.build_seconds,
        export_seconds=saved.export_seconds,
        disk_mib=saved.disk_mib,
        save_peak_mib=saving.usage.peak_mib,
        load_seconds=loading.usage.seconds,
        load_peak_mib=loading.usage.peak_mib,
        first_answer_seconds=loading.result.first_answer_seconds,
    )
    return [_with(row, latency) for latency in loading.result.latencies] or [row]


def _with(row: ServedRow, latency: Latency) -> ServedRow:
    return row.model_copy(update=latency.model_dump())


def latency_goals(rows: Sequence[ServedRow]) -> Iterator[Goal]:
    """What surrounds the search costs little."""
    for row in rows:
        if row.signature_ms is not None and row.scann_and_tower_ms is not None:
            text = f"{row.candidates:,} candidates, batches of {row.batch}: raw features to ids"
            ratio = row.signature_ms / row.scann_and_tower_ms
            yield Goal.at_most(f"{text}, times ScaNN's operation and the query tower, ≤ 1.3", ratio, 1.3)


def memory_goals(rows: Sequence[ServedRow]) -> Iterator[Goal]:
    """Memory that further candidates take, as a multiple of their vectors."""
    for first, second in pairwise(rows):
        vectors = (second.candidates - first.candidates) * _BYTES / (1 << 20)
        span = f"from {first.candidates:,} to {second.candidates:,} candidates: memory, times the vectors'"
        saving = (second.save_peak_mib - first.save_peak_mib) / vectors
        yield Goal.at_most(f"save, {span}, ≤ {_MOST_SAVING:g}", saving, _MOST_SAVING)
        loading = (second.load_peak_mib - first.load_peak_mib) / vectors
        yield Goal.at_most(f"load, {span}, ≤ {_MOST_LOADING:g}", loading, _MOST_LOADING)
