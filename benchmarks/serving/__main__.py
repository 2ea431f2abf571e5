"""The server under load: requests per second and latencies, with and without batching, and during a change of version.

The benchmark runs a small pipeline twice on synthetic data, so that a catalogue of 100,000 candidates has two published
versions, and starts `python -m pipeline serve` on the loopback interface. The load comes from a process of its own, so
both share the machine's cores; `cpu_ms` is what a request costs the server alone. During one measurement of each
model a `rollback` changes the version: a real publication, which the server loads and warms up while it answers. The
same loads go over gRPC, and to two server processes.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.pipeline_runs import run_pipeline
from benchmarks.harness.report import finish, parser

_MOST_QUERIES = 5000
_CONFIG = """\
schema_version: 1
name: benchmark
data:
  interactions: {format: synthetic, queries: QUERIES, candidates: CANDIDATES, events_per_query: 30}
features:
  query:
    country: {type: categorical}
    age: {type: numeric}
  context:
    device: {type: categorical}
model: {embedding_dim: 64, temperature: 0.1}
training: {max_epochs: 1}
evaluation: {baselines: []}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Publishes the models and measures them one after the other."""
    options = parser("serving", __doc__)
    options.add_argument("--candidates", type=int, default=100_000, help="size of the catalogue (%(default)s)")
    options.add_argument("--seconds", type=float, default=20.0, help="of each measurement (%(default)s)")
    options.add_argument("--rate", type=int, default=100, help="requests a second of the open loop (%(default)s)")
    options.add_argument("--root", type=Path, help="where the models are, or are made; temporary if absent")
    chosen = options.parse_args(arguments)

    from benchmarks.serving.measurements import Plan, goals_of, quick_goals, rows_of

    if chosen.quick:
        plan = Plan(candidates=2_000, seconds=2.0, connections=(1, 16), rate=chosen.rate)
    else:
        plan = Plan(chosen.candidates, chosen.seconds, connections=(1, 4, 16, 64), rate=chosen.rate)
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch:
        root = chosen.root or Path(scratch)
        _publish_two_versions(root, plan.candidates)
        rows = list(rows_of(root, plan))
    return finish(chosen.json, rows=rows, goals=quick_goals(rows) if chosen.quick else goals_of(rows))


def _publish_two_versions(root: Path, candidates: int) -> None:
    """Publishes what is not there yet."""
    config = root / "benchmark.yaml"
    root.mkdir(parents=True, exist_ok=True)
    sizes = {"QUERIES": min(candidates, _MOST_QUERIES), "CANDIDATES": candidates}
    text = _CONFIG
    for name, size in sizes.items():
        text = text.replace(name, str(size))
    config.write_text(text, encoding="utf-8")
    for top_k in (99, 100):
        run_pipeline("run", str(config), "--root", str(root), "--set", f"serving.top_k={top_k}")


if __name__ == "__main__":
    sys.exit(main())
