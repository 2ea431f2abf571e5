from benchmarks.serving.measurements import Row, goals_of, quick_goals


def row(model: str, asked: str, load: str, *, p50_ms: float = 1, rate: float = 100, failed: int = 0,
        changed: bool | None = None) -> Row:  # fmt: skip
    return Row(
        model=model, asked=asked, load=load, requests_per_s=rate, p50_ms=p50_ms, p99_ms=9, p999_ms=9, failed=failed,
        batch=1, changed=changed,
    )  # fmt: skip


def rows_of(model: str) -> list[Row]:
    return [
        row(model, "unbatched", "1 at once", p50_ms=10),
        row(model, "batched", "1 at once", p50_ms=11),
        row(model, "unbatched", "16 at once", rate=100),
        row(model, "batched", "16 at once", rate=90),
    ]


def test_batching_is_compared_for_a_lone_client_and_under_load() -> None:
    rows = [*rows_of("benchmark-scann"), *rows_of("benchmark")]
    goals = goals_of(rows)[2:]
    assert [(goal.value, goal.met) for goal in goals] == [(1.1, True), (0.9, False)] * 2


def test_failures_and_changes_of_version_count_at_any_size() -> None:
    rows = [row("benchmark", "batched", "x", changed=True), row("benchmark", "batched", "x", changed=False, failed=3)]
    assert [(goal.value, goal.met) for goal in quick_goals(rows)] == [(3, False), (1, False)]
    rows = [row("benchmark", "batched", "x", changed=True)] * 2
    assert all(goal.met for goal in quick_goals(rows))
