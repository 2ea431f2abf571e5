from pathlib import Path

import pytest

from benchmarks.retrieval.comparison import (
    DataSet,
    best,
    comparison_goals,
    library_rows,
    measure,
    quick_comparison_goals,
)
from benchmarks.retrieval.tasks import LibraryName, Measurement, Measurements


def measurement(
    library: LibraryName, *, recall: float, qps: float, k: int = 10, threads: int = 1, batch: int = 64
) -> Measurement:
    return Measurement(
        library=library, k=k, threads=threads, batch=batch, settings={"leaves": 3}, tuning_recall=recall,
        recall=recall - 0.01, qps=qps, p50_ms=1, p99_ms=2, build_seconds=3, memory_mib=4, disk_mib=5,
    )  # fmt: skip


def test_the_fastest_setting_with_enough_recall_is_best() -> None:
    rows = [measurement("ours", recall=recall, qps=qps) for recall, qps in ((0.9, 900), (0.95, 500), (0.99, 600))]
    assert best(rows, 0.95).qps == 600
    assert best(rows, 0.9).qps == 900
    assert best(rows, 0.999).tuning_recall == 0.99, "none suffices: the most accurate"


def test_each_library_has_one_row_for_a_condition() -> None:
    rows = [
        measurement("hnswlib", recall=0.96, qps=100),
        measurement("ours", recall=0.96, qps=300),
        measurement("ours", recall=0.99, qps=200),
        measurement("ours", recall=0.96, qps=50, batch=1),
    ]
    shown = list(library_rows("some", rows))
    assert [(row.batch, row.library, row.qps) for row in shown] == [(1, "ours", 50), (64, "ours", 300),
                                                                   (64, "hnswlib", 100)]  # fmt: skip
    assert shown[0].recall == pytest.approx(0.95), "the recall on queries that were not tuned on"


def test_goals_compare_with_rivals_that_find_enough() -> None:
    rows = [
        measurement("ours", recall=0.96, qps=300),
        measurement("hnswlib", recall=0.96, qps=200),
        measurement("faiss-hnsw", recall=0.5, qps=5000),
        measurement("ours", recall=0.96, qps=300, threads=2),
        measurement("ours", recall=0.99, qps=100, threads=2),
        measurement("tfrs-scann-reordered", recall=0.98, qps=80, threads=2),
    ]
    rivals, layer = comparison_goals(rows)
    assert (rivals.value, rivals.met) == (1.5, True)
    assert (layer.value, layer.met) == (1.25, False), "at the recall of the layer, not at that of the goal"


def test_what_is_not_measured_has_no_goal() -> None:
    assert not list(comparison_goals([measurement("hnswlib", recall=0.96, qps=200)]))
    assert not list(quick_comparison_goals([measurement("hnswlib", recall=0.96, qps=200)]))
    (goal,) = quick_comparison_goals([measurement("ours", recall=0.93, qps=200)])
    assert not goal.met


def test_a_library_that_was_measured_before_is_read(tmp_path: Path) -> None:
    def write(directory: Path) -> None:
        raise AssertionError("nothing is left to measure")

    rows = [measurement("ours", recall=0.96, qps=300)]
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "ours.json").write_text(Measurements(rows=rows).model_dump_json())
    assert measure(DataSet("some", write), ["ours"], work=tmp_path, seconds=1) == rows
