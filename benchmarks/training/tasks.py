"""What the measured processes are asked, and what they answer."""

from pathlib import Path
from typing import Literal

from benchmarks.harness.report import Record

StepSide = Literal[
    "floor", "ours", "ours, default towers", "tutorial", "tutorial, metrics on", "plain Keras", "PyTorch"
]
Optimizer = Literal["adagrad", "lazy_adam"]
RecallSide = Literal["ours", "tutorial", "iALS"]
Metric = Literal["recall@10", "recall@20"]
RankingSide = Literal["ours", "ours, by query", "matmul + top-k, numpy", "matmul + top-k, TensorFlow", "FactorizedTopK"]


class StepTask(Record):
    """Training steps to time.

    Attributes:
        side: what is timed.
        batch: events a step.
        vocabulary: candidates, each with a row of its own.
        dim: length of the embeddings.
        steps: steps that are timed.
        optimizer: of our sides; the others have the tutorial's Adagrad.
    """

    side: StepSide
    batch: int
    vocabulary: int
    dim: int
    steps: int
    optimizer: Optimizer = "adagrad"


class StepCost(Record):
    """What a step costs."""

    seconds: float
    cpu_seconds: float


class RecallTask(Record):
    """A training to time.

    Attributes:
        side: `tutorial` and `iALS` train to their own best; `ours` stops at the target.
        config: of the data set.
        settings: `--set` options of the configuration.
        prepared: the directory of the prepared data set.
        metric: of the validation.
        target: the value that `ours` has to find.
    """

    side: RecallSide
    config: Path
    settings: tuple[str, ...]
    prepared: Path
    metric: Metric
    target: float = 0.0


class Reached(Record):
    """What a training found.

    Attributes:
        found: the metric.
        seconds: until then; absent if the target was not reached.
        steps: until then, of ours.
    """

    found: float
    seconds: float | None
    steps: int | None = None


class RankingTask(Record):
    """An evaluation to time.

    Attributes:
        side: what is timed.
        queries: how many; events, where several share a query.
        candidates: how many.
        dim: length of the embeddings.
    """

    side: RankingSide
    queries: int
    candidates: int
    dim: int


class RankingTime(Record):
    """What an evaluation takes."""

    seconds: float
