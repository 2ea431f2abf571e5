from benchmarks.retrieval.catalogue import ServedRow, latency_goals, memory_goals


def served(candidates: int, mib: float, *, signature_ms: float | None = None) -> ServedRow:
    return ServedRow(
        candidates=candidates, build_seconds=1, export_seconds=1, disk_mib=1, save_peak_mib=2 * mib, load_seconds=1,
        load_peak_mib=mib, first_answer_seconds=1, batch=1, signature_ms=signature_ms, scann_and_tower_ms=2,
    )  # fmt: skip


def test_memory_is_compared_with_that_of_the_further_vectors() -> None:
    million = 64 * 4 * 1_000_000 / (1 << 20)
    save, load = memory_goals([served(1_000_000, 100), served(2_000_000, 100 + 3 * million)])
    assert (round(save.value, 6), save.met) == (6.0, False)
    assert (round(load.value, 6), load.met) == (3.0, True)


def test_only_a_model_that_was_asked_has_a_goal_on_latency() -> None:
    (goal,) = latency_goals([served(1000, 1), served(1000, 1, signature_ms=3)])
    assert (goal.value, goal.met) == (1.5, False)
