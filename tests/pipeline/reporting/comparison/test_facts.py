"""What is read of the runs of a comparison."""

from tests.pipeline.reporting.comparison.compared import METRIC, collected, store_values
from tests.pipeline.reporting.small_run import HOSTILE, Runs


def test_a_run_has_its_values_and_titles(runs: Runs) -> None:
    first, second = runs.add("r1"), runs.add("r2", wrote={}, state="failed", ended_by="Trainer")
    store_values(runs, "r1", {"q1": 0.5})
    a, b = collected(runs, first, second)
    assert (a.letter, a.pipeline, a.when, a.outcome) == (
        "A", "toy", "2026-11-29 08:00 UTC", "Published as version 4",
    )  # fmt: skip
    assert a.values is not None
    assert a.values.to_pydict() == {"query_id": ["q1"], METRIC: [0.5]}
    assert a.titles.of("a") == HOSTILE
    assert (b.letter, b.values, b.recommendations) == ("B", None, ())
    assert a.unread == b.unread == ()


def test_damaged_values_are_named_and_left_out(runs: Runs) -> None:
    run = runs.add("r1")
    store_values(runs, "r1", {"q1": 0.5})
    file = runs.store.execution_directory("Evaluator", "e-r1") / "evaluation" / "per_query.parquet"
    file.write_bytes(b"PAR1")
    (found,) = collected(runs, run)
    assert found.values is None
    assert str(file) in found.unread[0]
