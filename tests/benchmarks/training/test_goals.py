import pytest

from benchmarks.training.evaluation import RankingRow, ranking_goals
from benchmarks.training.recall import RecallRow, recall_goals
from benchmarks.training.steps import StepRow, batch_goals, vocabulary_goals
from benchmarks.training.tasks import Optimizer, RankingSide, RecallSide, StepSide


def step(side: StepSide, ms: float, *, batch: int = 8192, rows: int = 1, optimizer: Optimizer = "adagrad") -> StepRow:
    return StepRow(side=side, batch=batch, rows=rows, optimizer=optimizer, ms_per_step=ms)


def reached(side: RecallSide, found: float, seconds: float | None) -> RecallRow:
    return RecallRow(side=side, data="some", metric="recall@10", found=found, seconds=seconds, steps=None)


def ranking(side: RankingSide, seconds: float) -> RankingRow:
    return RankingRow(side=side, queries=9, candidates=9, dim=9, seconds=seconds, peak_mib=9)


def test_steps_are_compared_at_one_batch_size() -> None:
    sides: tuple[tuple[StepSide, float], ...] = (("floor", 10), ("ours", 15), ("tutorial", 45))
    rows = [step(side, ms) for side, ms in sides] + [step(side, 1, batch=1024) for side, _ in sides]
    assert [(goal.value, goal.met) for goal in batch_goals(rows)] == [(1.5, True), (3.0, True)]


def test_a_large_table_is_compared_with_a_small_one_for_each_optimizer() -> None:
    times: tuple[tuple[Optimizer, float], ...] = (("adagrad", 12), ("lazy_adam", 20))
    rows = [
        step("ours", ms, rows=size, optimizer=optimizer)
        for optimizer, many in times
        for size, ms in ((100_000, 10.0), (10_000_000, many))
    ]
    assert [(goal.value, goal.met) for goal in vocabulary_goals(rows)] == [(1.2, True), (2.0, False)]


@pytest.mark.parametrize(
    ("other", "own", "value", "met"),
    [
        (reached("tutorial", 0.1, 100), reached("ours", 0.1, 4), 25, True),
        (reached("tutorial", 0.1, 100), reached("ours", 0.1, 10), 10, False),
        (reached("iALS", 0.1, 2), reached("ours", 0.1, 10), 5, True),
        (reached("iALS", 0.1, 2), reached("ours", 0.05, None), 0.5, False),
    ],
)
def test_time_to_a_recall_has_a_goal_even_if_it_is_not_reached(
    other: RecallRow, own: RecallRow, value: float, met: bool
) -> None:
    (goal,) = recall_goals([other, own])
    assert (goal.value, goal.met) == (value, met)


def test_evaluation_is_compared_with_the_faster_bare_product_and_once_per_query() -> None:
    rows = [
        ranking("ours", 3), ranking("matmul + top-k, numpy", 4), ranking("matmul + top-k, TensorFlow", 2),
        ranking("ours", 7), ranking("ours, by query", 1), ranking("FactorizedTopK", 20),
    ]  # fmt: skip
    assert [(goal.value, goal.met) for goal in ranking_goals(rows)] == [(1.5, True), (20.0, False)]
