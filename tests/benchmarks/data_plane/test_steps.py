from benchmarks.data_plane.steps import Plan, StepRow, quick_step_goals, step_goals
from benchmarks.data_plane.tasks import STEPS


def rows_of(contestant: str, size: int, *, seconds: float, mib: float = 100) -> list[StepRow]:
    """Three steps that take as much CPU time as time."""
    return [
        StepRow(contestant=contestant, step=step, rows=size, seconds=seconds, cpu_seconds=seconds, peak_mib=mib)
        for step in STEPS
    ]


def test_goals_compare_contestants_at_their_sizes() -> None:
    rows = [
        *rows_of("in_process", 100, seconds=2, mib=300),
        *rows_of("in_process", 1000, seconds=10, mib=900),
        *rows_of("polars", 1000, seconds=5, mib=9000),
        *rows_of("per element", 100, seconds=30, mib=9000),
    ]
    cpu, faster, memory, kept = step_goals(rows, Plan(sizes=[100, 1000], per_element=[10, 100]))
    assert (cpu.value, cpu.met) == (2.0, True)
    assert (faster.value, faster.met) == (30.0, True)
    assert (memory.value, memory.met) == (900.0, True)
    assert (kept.value, kept.met) == (2.0, True)


def test_goals_can_be_missed() -> None:
    rows = [
        *rows_of("in_process", 100, seconds=1),
        *rows_of("in_process", 1000, seconds=20, mib=5000),
        *rows_of("polars", 1000, seconds=5),
        *rows_of("per element", 100, seconds=5),
    ]
    assert not any(goal.met for goal in step_goals(rows, Plan(sizes=[100, 1000], per_element=[100])))
    assert not any(goal.met for goal in quick_step_goals(rows))
