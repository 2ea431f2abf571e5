"""Metrics of runs: paired where values per query are stored, and told where runs were not measured alike."""

from typing import Any

import pytest

from pipeline.reporting.comparison.metrics import MetricRow, MetricsComparison, compare_metrics
from tests.dataplane.artifacts.test_documents import METRICS
from tests.pipeline.reporting.comparison.compared import METRIC, collected, evaluated, store_values
from tests.pipeline.reporting.small_run import Runs

QUERIES = [f"q{number}" for number in range(40)]
VALUES = {query: (number % 5) / 5 for number, query in enumerate(QUERIES)}
BETTER = {query: value + 0.1 + (number % 3) / 100 for number, (query, value) in enumerate(VALUES.items())}
PROTOCOL: dict[str, Any] = METRICS["protocol"]  # type: ignore[assignment]


def compared(runs: Runs, first: dict[str, float], second: dict[str, float], **changes: Any) -> MetricsComparison:
    chosen = [runs.add("r1", wrote=evaluated(0.3)), runs.add("r2", wrote=evaluated(0.41, **changes))]
    for run, values in (("r1", first), ("r2", second)):
        if values:
            store_values(runs, run, values)
    return compare_metrics(collected(runs, *chosen))


def row(comparison: MetricsComparison, name: str) -> MetricRow:
    return next(it for it in comparison.rows if it.name == name)


def test_a_difference_has_a_paired_interval(runs: Runs) -> None:
    comparison = compared(runs, VALUES, BETTER)
    assert comparison.main == comparison.rows[0].name == METRIC
    assert comparison.notes == ()
    (difference,) = row(comparison, METRIC).differences
    assert difference is not None
    assert difference.value == pytest.approx(0.11, abs=1e-3)
    assert difference.bounds is not None
    low, high = difference.bounds
    # The values differ by 0.2 and more among queries, their paired differences by 0.02 at most.
    assert 0.1 < low < difference.value < high < 0.12
    assert "clearly better" in row(comparison, METRIC).cells[2]


def test_queries_are_paired_by_id_and_not_by_place(runs: Runs) -> None:
    shuffled = dict(sorted(BETTER.items(), key=lambda it: it[1]))
    in_order = compared(runs, VALUES, BETTER)
    store_values(runs, "r2", shuffled)
    other_order = compare_metrics(collected(runs, *runs.store.runs()))
    assert other_order.rows == in_order.rows


def test_a_metric_without_values_per_query_has_no_interval(runs: Runs) -> None:
    comparison = compared(runs, VALUES, BETTER)
    (difference,) = row(comparison, "coverage@10").differences
    assert difference is not None
    assert difference.bounds is None
    assert row(comparison, "coverage@10").cells == ["0.7000", "0.7000", "+0.0000"]


def test_without_stored_values_the_means_are_compared(runs: Runs) -> None:
    comparison = compared(runs, VALUES, {})
    assert row(comparison, METRIC).cells == ["0.3000", "0.4100", "+0.1100"]
    assert comparison.notes == ("B has no values per query, so its differences have no interval.",)


def test_only_shared_queries_are_compared_and_it_is_said(runs: Runs) -> None:
    shared = {query: BETTER[query] for query in QUERIES[:10]} | {"new": -100.0}
    comparison = compared(runs, VALUES, shared)
    (difference,) = row(comparison, METRIC).differences
    assert difference is not None
    assert difference.value == pytest.approx(0.11, abs=0.01)
    assert "only 10 test queries are shared, A had 40, B 11" in comparison.notes[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"test": PROTOCOL["test"] | {"relevant": 99}}, "the test events differ"),
        ({"catalogue": PROTOCOL["catalogue"] | {"candidates": 6}}, "A ranked 5 candidates, B 6"),
        ({"remove_seen": False}, "only one of them removes seen candidates"),
    ],
)
def test_other_test_data_are_said(runs: Runs, changes: dict[str, Any], told: str) -> None:
    (note,) = compared(runs, VALUES, BETTER, protocol=PROTOCOL | changes).notes
    assert note.startswith(f"A and B were not measured alike: {told}. ")


def test_popularity_tells_other_events_of_the_same_queries(runs: Runs) -> None:
    compared(runs, VALUES, BETTER)
    store_values(runs, "r1", VALUES, **{f"popularity__{METRIC}": [0.1] * 40})
    store_values(runs, "r2", VALUES, **{f"popularity__{METRIC}": [0.1] * 39 + [0.2]})
    (note,) = compare_metrics(collected(runs, *runs.store.runs())).notes
    assert "popularity ranks the same test queries differently" in note


def test_a_run_that_was_not_evaluated_is_said(runs: Runs) -> None:
    chosen = [runs.add("r1"), runs.add("r2", wrote={}, state="failed", ended_by="Trainer")]
    store_values(runs, "r1", VALUES)
    comparison = compare_metrics(collected(runs, *chosen))
    assert row(comparison, METRIC).differences == (None,)
    assert row(comparison, METRIC).cells == ["0.3000", "–", "–"]
    assert comparison.notes == ("B was not evaluated.",)


def test_runs_without_metrics_have_no_rows(runs: Runs) -> None:
    failed = [runs.add(name, wrote={}, state="failed", ended_by="ExampleGen") for name in ("r1", "r2")]
    assert compare_metrics(collected(runs, *failed)) == MetricsComparison("", (), ())
