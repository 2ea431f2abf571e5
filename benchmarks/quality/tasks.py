"""What the measured processes are asked, and what they answer."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.baselines import BaselineName
from benchmarks.harness.report import Record

Metrics = Mapping[str, float]


class RunTask(Record):
    """A method on a data set.

    Attributes:
        config: the configuration.
        prepared: the directory of the prepared data set; made if it is not there.
        output: for what the run makes, and `per_query.npz` with the test metrics of each query by name.
        at: the cut-off k of the metrics.
    """

    config: Path
    prepared: Path
    output: Path
    at: int


class BaselineTask(RunTask):
    """A baseline with choices that validation picks from.

    Attributes:
        baseline: which.
        metric: that validation picks by.
        choices: the first so many; all if absent.
    """

    baseline: BaselineName
    metric: str
    choices: int | None


class SystemTask(RunTask):
    """A configuration trained with a seed."""

    seed: int


class Run(Record):
    """What came of a task: the document `row.json`.

    Attributes:
        skipped: why the method does not fit the data; nothing else is known then.
        validation: metrics by name.
        test: metrics by name.
        fit: seconds of training.
        new_auc: see `new_candidates.new_auc`.
        chance: recall of a random order.
        new_pairs: test events of candidates without a training event.
        choice: of a baseline, picked on validation.
        slices: of a system, metrics by side and slice.
        loss: of a system, as are temperature, labels and steps.
    """

    skipped: str | None = None
    validation: Metrics = {}
    test: Metrics = {}
    fit: float = 0.0
    new_auc: float | None = None
    chance: float | None = None
    new_pairs: int | None = None
    choice: Mapping[str, float] | None = None
    slices: Mapping[str, Mapping[str, Metrics]] = {}
    loss: str | None = None
    temperature: float | None = None
    labels: str | None = None
    steps: int | None = None
