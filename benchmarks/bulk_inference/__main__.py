"""BulkInferrer beside the bare index: how many queries a second get their candidates.

A pipeline runs once on synthetic data: 100,000 queries and as many candidates. Two processes then work on that run.
One calls ScaNN's operation on the embeddings of all queries and does nothing else. The other executes BulkInferrer as
the pipeline does, with seen candidates removed and Parquet written. Three rows report BulkInferrer: the whole
execution; the time after the queries are embedded; and the time from the first shard to the last, which is the rate
once everything is loaded.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bulk_inference.tasks import BareIndex, Component, Task, Timing
from benchmarks.harness.pipeline_runs import run_pipeline
from benchmarks.harness.processes import Answer, run_task
from benchmarks.harness.report import Goal, Record, finish, parser

_NAME = "bulk"
_QUICK_SIZE = 2_000
_CONFIG = """\
schema_version: 1
name: bulk
data:
  interactions: {format: synthetic, queries: SIZE, candidates: SIZE, events_per_query: 10}
model: {embedding_dim: 64, temperature: 0.1}
training: {max_epochs: 1}
evaluation: {baselines: []}
"""


class Row(Record):
    """A printed row."""

    side: str
    queries: int
    seconds: float
    queries_per_s: float
    peak_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the run and measures both sides."""
    options = parser("bulk_inference", __doc__)
    options.add_argument("--size", type=int, default=100_000, help="queries, and candidates (%(default)s)")
    options.add_argument("--root", type=Path, help="where the pipeline's run is, or is made; temporary if absent")
    chosen = options.parse_args(arguments)
    size = _QUICK_SIZE if chosen.quick else chosen.size
    with tempfile.TemporaryDirectory(prefix="bulk-") as scratch:
        root = chosen.root or Path(scratch)
        _run(root, size)
        task = Task(run=root / _NAME, scratch=Path(scratch))
        bare = run_task("benchmarks.bulk_inference.bare_index", task, BareIndex)
        component = run_task("benchmarks.bulk_inference.component", task, Component)
    goals = _quick_goals if chosen.quick else _goals
    return finish(chosen.json, rows=list(_rows(bare, component)), goals=list(goals(bare.result, component.result)))


def _run(root: Path, size: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    config = root / "bulk.yaml"
    config.write_text(_CONFIG.replace("SIZE", str(size)), encoding="utf-8")
    run_pipeline("run", str(config), "--root", str(root))


def _rows(bare: Answer[BareIndex], component: Answer[Component]) -> Iterator[Row]:
    yield _row(bare.result.search, bare.usage.peak_mib)
    found = component.result
    for timing in (found.whole, found.without_towers, found.running):
        if timing is not None:
            yield _row(timing, component.usage.peak_mib)


def _row(timing: Timing, peak_mib: float) -> Row:
    return Row(
        side=timing.side,
        queries=timing.queries,
        seconds=timing.seconds,
        queries_per_s=timing.queries_per_s,
        peak_mib=peak_mib,
    )


def _goals(bare: BareIndex, component: Component) -> Iterator[Goal]:
    if component.running is not None:
        ratio = bare.search.queries_per_s / component.running.queries_per_s
        text = "the bare index's rate, times BulkInferrer's from its first shard to its last"
        yield Goal.at_most(f"{text}, {bare.search.queries:,} candidates, ≤ 1.5", ratio, 1.5)


def _quick_goals(bare: BareIndex, component: Component) -> Iterator[Goal]:
    """A small run is all start-up: only the number of answers means something."""
    share = component.whole.queries / bare.search.queries
    yield Goal.at_least("share of the queries that BulkInferrer answers, ≥ 1", share, 1.0)


if __name__ == "__main__":
    sys.exit(main())
