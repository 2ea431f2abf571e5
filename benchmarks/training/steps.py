"""Training steps: by batch size beside others, and by rows of the table of candidates."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from benchmarks.harness.processes import ProcessError, run_task
from benchmarks.harness.report import Goal, Record
from benchmarks.training.sizes import DIM, GOAL_BATCH, Sizes
from benchmarks.training.tasks import Optimizer, StepCost, StepSide, StepTask

_PYTORCH: tuple[StepSide, ...] = ("PyTorch",) if find_spec("torch") else ()
_SIDES: tuple[StepSide, ...] = ("floor", "ours", "tutorial", "plain Keras", *_PYTORCH, "ours, default towers")
_OTHERS: tuple[StepSide, ...] = ("tutorial", "plain Keras", *_PYTORCH)
_OPTIMIZERS: tuple[Optimizer, ...] = ("adagrad", "lazy_adam")
_FEW_ROWS, _MANY_ROWS = 100_000, 10_000_000
_LONGEST_NOTE = 80


class StepRow(Record):
    """A training step of one side.

    Attributes:
        rows: of the table of candidates.
        times_floor: the step's time as a multiple of the floor's.
        note: why there is no measurement.
    """

    side: StepSide
    batch: int
    rows: int
    optimizer: Optimizer | None = None
    examples_per_s: int | None = None
    ms_per_step: float | None = None
    cpu_ms_per_step: float | None = None
    peak_mib: int | None = None
    times_floor: float | None = None
    note: str | None = None

    @property
    def ms(self) -> float:
        """Milliseconds of a step that was measured."""
        assert self.ms_per_step is not None
        return self.ms_per_step


def batch_rows(sizes: Sizes) -> Iterator[StepRow]:
    """All sides at each batch size."""
    for batch in sizes.batches:
        floor = None
        for side in _SIDES:
            row = _measured(side, sizes, batch=batch, rows=sizes.rows)
            floor = floor or row.ms
            yield row.model_copy(update={"times_floor": round(row.ms / floor, 2)})
    # Ranking 100,000 candidates in every step would take minutes: the smallest table, and few steps.
    yield _measured("tutorial, metrics on", sizes, batch=sizes.batch, rows=min(sizes.vocabularies), steps=1)


def vocabulary_rows(sizes: Sizes) -> Iterator[StepRow]:
    """Ours with each optimizer and the others, at each size of the table; the others may run out of memory."""
    for optimizer in _OPTIMIZERS:
        for rows in sizes.vocabularies:
            yield _measured("ours", sizes, batch=sizes.batch, rows=rows, optimizer=optimizer)
    for side in _OTHERS:
        for rows in sizes.vocabularies:
            try:
                yield _measured(side, sizes, batch=sizes.batch, rows=rows)
            except ProcessError as error:
                note = str(error).strip().splitlines()[-1][:_LONGEST_NOTE]
                yield StepRow(side=side, batch=sizes.batch, rows=rows, optimizer="adagrad", note=note)


def _measured(
    side: StepSide,
    sizes: Sizes,
    *,
    batch: int,
    rows: int,
    steps: int | None = None,
    optimizer: Optimizer = "adagrad",
) -> StepRow:
    task = StepTask(side=side, batch=batch, vocabulary=rows, dim=DIM, steps=steps or sizes.steps, optimizer=optimizer)
    found = run_task("benchmarks.training.step_process", task, StepCost)
    return StepRow(
        side=side,
        batch=batch,
        rows=rows,
        optimizer=None if side == "floor" else optimizer,
        examples_per_s=round(batch / found.result.seconds),
        ms_per_step=round(1000 * found.result.seconds, 1),
        cpu_ms_per_step=round(1000 * found.result.cpu_seconds, 1),
        peak_mib=round(found.usage.peak_mib),
    )


def batch_goals(rows: Sequence[StepRow]) -> Iterator[Goal]:
    """Ours beside the floor and the tutorial."""
    ms = {row.side: row.ms for row in rows if row.batch == GOAL_BATCH}
    yield Goal.at_most(f"a step at batch {GOAL_BATCH} ≤ 2 × the floor", ms["ours"] / ms["floor"], 2.0)
    text = f"the tutorial's step at batch {GOAL_BATCH}, metrics off, ≥ 2 × ours"
    yield Goal.at_least(text, ms["tutorial"] / ms["ours"], 2.0)


def vocabulary_goals(rows: Sequence[StepRow]) -> Iterator[Goal]:
    """A large table costs a step little."""
    for optimizer in _OPTIMIZERS:
        ms = {row.rows: row.ms for row in rows if (row.side, row.optimizer) == ("ours", optimizer)}
        ratio = ms[_MANY_ROWS] / ms[_FEW_ROWS]
        yield Goal.at_most(f"a step at 10M rows ≤ 1.3 × that at 100k ({optimizer})", ratio, 1.3)
