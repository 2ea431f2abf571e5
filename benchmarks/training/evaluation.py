"""Exact ranking with all metrics, beside the bare product and top-k and beside FactorizedTopK."""

from collections.abc import Iterator, Sequence

from benchmarks.harness.processes import run_task
from benchmarks.harness.report import Goal, Record
from benchmarks.training.sizes import Ranked, Sizes
from benchmarks.training.tasks import RankingSide, RankingTask, RankingTime

_BARE: tuple[RankingSide, ...] = ("matmul + top-k, numpy", "matmul + top-k, TensorFlow")


class RankingRow(Record):
    """An evaluation of one side."""

    side: RankingSide
    queries: int
    candidates: int
    dim: int
    seconds: float
    peak_mib: int


def ranking_rows(sizes: Sizes) -> Iterator[RankingRow]:
    """Ours first in each of the two comparisons."""
    yield from _rows(("ours", *_BARE), sizes.ranked)
    yield from _rows(("ours", "ours, by query", "FactorizedTopK"), sizes.tutorial_ranked)


def _rows(sides: Sequence[RankingSide], size: Ranked) -> Iterator[RankingRow]:
    for side in sides:
        task = RankingTask(side=side, queries=size.queries, candidates=size.candidates, dim=size.dim)
        found = run_task("benchmarks.training.evaluation_process", task, RankingTime)
        yield RankingRow(
            **task.model_dump(), seconds=round(found.result.seconds, 4), peak_mib=round(found.usage.peak_mib)
        )


def ranking_goals(rows: Sequence[RankingRow]) -> Iterator[Goal]:
    """Ours beside the faster bare product, and beside FactorizedTopK."""
    own, *bare = (row.seconds for row in rows[: 1 + len(_BARE)])
    yield Goal.at_most("evaluation ≤ 1.5 × the faster bare product and top-k", own / min(bare), 1.5)
    *_, by_query, tutorial = rows
    text = f"{tutorial.queries:,} events of ML-100K's size: FactorizedTopK, streaming candidates, ≥ 50 × ours, by query"
    yield Goal.at_least(text, tutorial.seconds / by_query.seconds, 50.0)
