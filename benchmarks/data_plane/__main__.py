"""The data steps beside the same work in one polars process, and beside the same Beam job written per element.

The benchmark makes synthetic interactions (200,000 queries, 100,000 candidates of Zipf-like popularity) and sends them
through ExampleGen, StatisticsGen and Transform, each in a process of its own. CPU-seconds and memory are those of whole
processes, their start and imports included; the run of 1,000 rows shows how much that is.
"""

import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.report import finish, parser

_SIZES = (1_000_000, 5_000_000, 20_000_000)
_START_UP, _PER_ELEMENT = 1_000, 1_000_000
_QUICK = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the data steps, or the whole pipeline."""
    options = parser("data_plane", __doc__)
    options.add_argument("--rows", type=int, nargs="+", default=_SIZES, help="interactions, instead of 1M, 5M and 20M")
    options.add_argument("--runner", nargs="+", default=[], metavar="NAME", help="Beam runners besides in_process")
    options.add_argument("--job-server-jar", type=Path, metavar="FILE", help="Flink's, if Beam's cannot be downloaded")
    options.add_argument("--scratch", type=Path, help="where temporary data go; the system's directory if absent")
    options.add_argument(
        "--end-to-end", type=int, metavar="ROWS", help="run end_to_end.yaml instead, from raw Parquet to a pushed model"
    )
    options.add_argument(
        "--spans", type=int, metavar="ROWS", help="measure a new night over a window of 100 spans beside a cold one"
    )
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=chosen.scratch, prefix="data-plane-") as scratch:
        if chosen.spans:
            return _spans(chosen, Path(scratch))
        return _end_to_end(chosen, Path(scratch)) if chosen.end_to_end else _steps(chosen, Path(scratch))


def _spans(chosen: Namespace, scratch: Path) -> int:
    from benchmarks.data_plane.spans import night_goals, night_rows

    rows = night_rows(scratch, _QUICK if chosen.quick else chosen.spans, quick=chosen.quick)
    return finish(chosen.json, rows=rows, goals=night_goals(rows, quick=chosen.quick))


def _end_to_end(chosen: Namespace, scratch: Path) -> int:
    from benchmarks.data_plane.end_to_end import end_to_end, end_to_end_goals

    rows = end_to_end(scratch, chosen.end_to_end)
    return finish(chosen.json, rows=rows, goals=end_to_end_goals(rows))


def _steps(chosen: Namespace, scratch: Path) -> int:
    from benchmarks.data_plane.steps import Plan, quick_step_goals, step_goals, step_rows

    sizes, per_element = ([_QUICK], [_QUICK]) if chosen.quick else (sorted(chosen.rows), [_START_UP, _PER_ELEMENT])
    plan = Plan(sizes, per_element, chosen.runner, chosen.job_server_jar)
    rows = list(step_rows(scratch, plan))
    return finish(chosen.json, rows=rows, goals=quick_step_goals(rows) if chosen.quick else step_goals(rows, plan))


if __name__ == "__main__":
    sys.exit(main())
