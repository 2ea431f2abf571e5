"""The data steps beside the same work in one polars process, and beside the same Beam job written per element.

Makes synthetic interactions (200,000 queries, 100,000 candidates of Zipf-like popularity) and sends them through
ExampleGen, StatisticsGen and Transform, each in a process of its own. CPU-seconds and memory are those of whole
processes, their start and imports included; the run of 1,000 rows shows how much that is.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from benchmarks.harness import Goal, Usage, finish, measured, parser

SIZES = (1_000_000, 5_000_000, 20_000_000)
STEPS = ("ingestion", "statistics", "transform")
QUERIES, CANDIDATES = 200_000, 100_000
PER_ELEMENT_ROWS = 1_000_000
_FIXED = 1_000
_FILE_ROWS, _GROUP_ROWS = 5_000_000, 1_000_000
_FIRST, _SECONDS = 1_704_067_200, 2 * 365 * 86_400  # two years from 2024 on
_RAW = pa.schema(
    {"user": pa.string(), "item": pa.string(), "time": pa.int64(), "rating": pa.float32(), "device": pa.string()}
)


def main() -> int:
    """Runs everything that was asked for."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, nargs="+", default=SIZES, help="interactions, instead of 1M, 5M and 20M")
    options.add_argument("--runner", nargs="+", default=[], metavar="NAME", help="Beam runners besides in_process")
    options.add_argument("--job-server-jar", type=Path, metavar="FILE", help="Flink's, where Beam's cannot be fetched")
    options.add_argument("--scratch", type=Path, help="where temporary data go; the system's directory if absent")
    options.add_argument(
        "--end-to-end",
        type=int,
        metavar="ROWS",
        help="instead: data_plane_e2e.yaml, from raw Parquet to a pushed model",
    )
    options.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)  # what the processes measured are
    options.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.step:
        run_step(arguments.step, arguments.work, arguments.runner[0], arguments.job_server_jar)
        return 0
    sizes = [20_000, 50_000] if arguments.quick else sorted(arguments.rows)
    per_element = sizes[0] if arguments.quick else PER_ELEMENT_ROWS
    with tempfile.TemporaryDirectory(dir=arguments.scratch, prefix="data-plane-") as scratch:
        if arguments.end_to_end:
            rows = end_to_end(Path(scratch), arguments.end_to_end)
            peak = max(row["peak_mib"] for row in rows)
            return finish(
                arguments, rows=rows, goals=[Goal.at_most("peak memory of any step, MiB, ≤ 6144", peak, 6144)]
            )
        rows = list(_rows(Path(scratch), arguments, sizes, per_element))
    return finish(arguments, rows=rows, goals=_goals(rows, sizes, per_element))


def generate(directory: Path, rows: int) -> None:
    """Writes interactions as Parquet files of up to five million; one query id in 10,000 is empty."""
    random = np.random.default_rng(7)
    query_count, candidate_count = min(QUERIES, rows // 5), min(CANDIDATES, rows // 10)
    queries = pa.array([f"u{number:06d}" for number in range(query_count)] + [""])
    candidates = pa.array([f"item-{number:06d}" for number in random.permutation(candidate_count)])
    devices = pa.array(["phone", "tablet", "desktop", "television", "car"])
    active = np.cumsum(random.lognormal(size=query_count))
    popular = np.cumsum(1.0 / np.arange(10, candidate_count + 10))
    directory.mkdir(parents=True)
    for first in range(0, rows, _FILE_ROWS):
        with pq.ParquetWriter(directory / f"events-{first:09d}.parquet", _RAW) as writer:
            for start in range(first, min(rows, first + _FILE_ROWS), _GROUP_ROWS):
                count = min(_GROUP_ROWS, rows - start)
                query = np.searchsorted(active, random.random(count) * active[-1])
                query[random.random(count) < 1e-4] = query_count
                candidate = np.searchsorted(popular, random.random(count) * popular[-1])
                columns = [
                    queries.take(pa.array(query)),
                    candidates.take(pa.array(candidate)),
                    pa.array(_FIRST + random.integers(0, _SECONDS, count)),
                    pa.array(random.integers(1, 6, count).astype(np.float32)),
                    devices.take(pa.array(random.integers(0, len(devices), count))),
                ]
                writer.write_table(pa.table(columns, schema=_RAW))


def run_step(step: str, work: Path, runner: str, job_server_jar: Path | None) -> None:
    """Executes one component on `work/raw`, or on what the one before it left in `work/RUNNER`."""
    from components.base import ExecutionContext, NoInputs
    from dataplane.artifacts import Examples, Schema, Statistics, TransformedExamples, TransformGraph
    from dataplane.beam_runner import AnyRunner, BeamConfig

    home = work / runner
    examples, statistics, schema = Examples(home / "examples"), Statistics(home / "statistics"), Schema(home / "schema")
    settings = {"runner": runner, **_TWO_CORES.get(runner, {})}
    if runner == "flink":
        settings["job_server_jar"] = job_server_jar
    beam: BeamConfig = TypeAdapter[BeamConfig](AnyRunner).validate_python(settings)
    beam.check()
    context = ExecutionContext(beam=beam, scratch=home / "scratch")
    if step == "ingestion":
        from components.example_gen import ExampleGen, ExampleGenParams

        source = {"format": "parquet", "path": str(work / "raw"), "columns": _COLUMNS, "time_unit": "s"}
        example_gen = ExampleGen(ExampleGenParams.model_validate({"interactions": source}))
        example_gen.execute(NoInputs(), ExampleGen.Outputs(examples), context)
    elif step == "statistics":
        from components.base import Params
        from components.statistics_gen import StatisticsGen

        StatisticsGen(Params()).execute(StatisticsGen.Inputs(examples), StatisticsGen.Outputs(statistics), context)
    else:
        from components.transform import Transform, TransformParams

        params = {"split": {"method": "leave_last_n"}, "features": {"context": {"device": {"type": "categorical"}}}}
        Transform(TransformParams.model_validate(params)).execute(
            Transform.Inputs(examples, schema),
            Transform.Outputs(TransformGraph(home / "graph"), TransformedExamples(home / "transformed")),
            context,
        )


def end_to_end(scratch: Path, size: int) -> list[dict[str, Any]]:
    """Runs the whole pipeline as a user would; a row for each step, with the memory of the whole process meanwhile."""
    from datetime import datetime

    generate(scratch / "raw", size)
    command = [sys.executable, "-m", "pipeline", "run", str(_END_TO_END), "--root", str(scratch / "runs")]
    timeline: list[tuple[float, float]] = []
    usage = measured([*command, "--set", f"data.base_dir={scratch}"], timeline=timeline)
    rows = []
    for path in scratch.glob("runs/data_plane_e2e/*/*/manifest.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        start = datetime.fromisoformat(manifest["started"]).timestamp()
        during = [mib for moment, mib in timeline if start <= moment <= start + manifest["seconds"] + 1]
        peak = max(during, default=0.0)
        rows.append({"started": start, "step": manifest["node"], "seconds": manifest["seconds"], "peak_mib": peak})
    rows.sort(key=lambda row: row.pop("started"))
    whole = {"step": "all", "seconds": usage.seconds, "peak_mib": usage.peak_mib, "cpu_seconds": usage.cpu_seconds}
    return [{"rows": size, **row} for row in (*rows, whole)]


_TWO_CORES: dict[str, dict[str, Any]] = {
    "multi_process": {"workers": 2},
    "flink": {"parallelism": 2, "java_options": ["-Xmx4g"]},
}
_END_TO_END = Path(__file__).with_name("data_plane_e2e.yaml")
_COLUMNS = {"query_id": "user", "candidate_id": "item", "timestamp": "time", "weight": "rating"}


def _rows(
    scratch: Path, arguments: argparse.Namespace, sizes: Sequence[int], per_element: int
) -> Iterator[dict[str, Any]]:
    for size in sorted({_FIXED, per_element, *sizes}):
        work = scratch / str(size)
        generate(work / "raw", size)
        for runner in ("in_process", *arguments.runner):
            for step in STEPS:
                command = ["benchmarks.data_plane", "--step", step, "--work", str(work), "--runner", runner]
                if arguments.job_server_jar:
                    command += ["--job-server-jar", str(arguments.job_server_jar)]
                row = _measure(runner, step, size, command)
                yield row
                if "skipped" in row:
                    break
            shutil.rmtree(work / runner, ignore_errors=True)
        for contestant in ("floor", "per element") if size in (_FIXED, per_element) else ("floor",):
            for step in STEPS:
                yield _measure(contestant, step, size, [_MODULES[contestant], step, str(work)])
            shutil.rmtree(work / contestant, ignore_errors=True)
        shutil.rmtree(work)


_MODULES = {"floor": "benchmarks.data_plane_floor", "per element": "benchmarks.data_plane_per_element"}


def _measure(what: str, step: str, size: int, module: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"what": what, "step": step, "rows": size}
    try:
        usage: Usage = measured([sys.executable, "-m", *module])
    except RuntimeError as error:
        if what in ("in_process", *_MODULES):
            raise
        row["skipped"] = str(error).splitlines()[-1]
        print(json.dumps(row), file=sys.stderr, flush=True)
        return row
    row |= {"rows/s": size / usage.seconds, "seconds": usage.seconds}
    row |= {"cpu_seconds": usage.cpu_seconds, "peak_mib": usage.peak_mib}
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _goals(rows: Sequence[dict[str, Any]], sizes: Sequence[int], per_element: int) -> list[Goal]:
    def total(what: str, size: int, column: str) -> float:
        return float(sum(row[column] for row in rows if (row["what"], row["rows"]) == (what, size)))

    smallest, largest = sizes[0], sizes[-1]
    factor = total("in_process", largest, "cpu_seconds") / total("floor", largest, "cpu_seconds")
    peak = max(row["peak_mib"] for row in rows if row["what"] == "in_process")
    kept = total("in_process", smallest, "seconds") / total("in_process", largest, "seconds") * largest / smallest
    # Per element 20 million rows take an hour; its start-up is a tenth of its time at a million.
    slow = total("per element", per_element, "seconds") / per_element
    faster = slow / (total("in_process", largest, "seconds") / largest)
    return [
        Goal.at_most(f"CPU-seconds of all steps at {largest:,} rows, as a multiple of the floor's, ≤ 2", factor, 2),
        Goal.at_least(
            f"rows/s at {largest:,} rows as a multiple of per element's at {per_element:,}, ≥ 10", faster, 10
        ),
        Goal.at_most(f"peak memory of any step at {largest:,} rows, MiB, ≤ 4096", peak, 4096),
        Goal.at_least(f"rows/s at {largest:,} rows as a share of those at {smallest:,}, ≥ 0.85", kept, 0.85),
    ]


if __name__ == "__main__":
    sys.exit(main())
