"""Seconds of training until the validation finds as much as others find at their best."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.datasets import DatasetName
from benchmarks.datasets.prepared import prepare_as_configured
from benchmarks.datasets.sources import SOURCES, settings
from benchmarks.harness.processes import run_task
from benchmarks.harness.report import Goal, Record
from benchmarks.training.tasks import Metric, Reached, RecallSide, RecallTask

_PAIRS: tuple[tuple[DatasetName, RecallSide, Metric], ...] = (
    ("ml-100k", "tutorial", "recall@10"),
    ("ml-1m", "iALS", "recall@10"),
    ("beauty", "iALS", "recall@20"),
)


class RecallRow(Record):
    """What a side found on a data set, and after how many seconds."""

    side: RecallSide
    data: str
    metric: Metric
    found: float
    seconds: float | None
    steps: int | None


def recall_rows(data: Path | None, work: Path) -> Iterator[RecallRow]:
    """For each data set the reference at its best, then ours until it finds as much."""
    for name, other, metric in _PAIRS:
        source = SOURCES[name]
        task = RecallTask(
            side=other,
            config=source.config,
            settings=tuple(settings(source, data, work)),
            prepared=prepare_as_configured(name, data, work),
            metric=metric,
        )
        reference = _reached(task)
        yield _row(task, reference)
        own = task.model_copy(update={"side": "ours", "target": reference.found})
        yield _row(own, _reached(own))


def _reached(task: RecallTask) -> Reached:
    return run_task("benchmarks.training.recall_process", task, Reached).result


def _row(task: RecallTask, found: Reached) -> RecallRow:
    return RecallRow(
        side=task.side,
        data=task.config.stem,
        metric=task.metric,
        found=found.found,
        seconds=found.seconds,
        steps=found.steps,
    )


def recall_goals(rows: Sequence[RecallRow]) -> Iterator[Goal]:
    """Ours is much faster than the tutorial, and not much slower than a fit of iALS."""
    for other, own in zip(rows[::2], rows[1::2], strict=True):
        assert other.seconds is not None
        time = f"{own.data}: time to the {own.metric} of {other.side}"
        if own.seconds is None:
            text = f"{own.data}: {own.metric} of ours as a share of that of {other.side}, ≥ 1"
            yield Goal.at_least(text, own.found / other.found, 1.0)
        elif other.side == "tutorial":
            yield Goal.at_least(f"{time}, times shorter than its own, ≥ 20", other.seconds / own.seconds, 20.0)
        else:
            yield Goal.at_most(f"{time} ≤ 10 × its fit", own.seconds / other.seconds, 10.0)
