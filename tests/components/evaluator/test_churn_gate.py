"""The gate on how many answers change."""

import pytest

from tests.components.evaluator.verdicts import measured, served, verdict

KEPT = {
    "k": 10,
    "queries": 150,
    "overlap": 0.6,
    "jaccard": 0.43,
    "intervals": {"overlap": [0.55, 0.65], "jaccard": [0.4, 0.5]},
}


@pytest.mark.parametrize(("most", "blessed"), [(0.4, True), (0.39, False)])
def test_a_model_may_not_change_more_answers_than_allowed(most: float, blessed: bool) -> None:
    published = served(0.4, 0.4, width=0.01) | {"churn": KEPT}
    found = verdict(measured(0.4, published=published), max_churn=most)
    check = found.checks[-1]
    assert found.blessed is blessed
    assert (check.name, check.version, check.threshold) == ("churn", 17, most)
    assert check.value == pytest.approx(0.4)
    assert check.message == (
        f"churn@10 0.4000 (0.3500 … 0.4500) against served version 17 on 150 queries, at most {most:g} allowed: "
        + ("passed" if blessed else "refused (evaluation.max_churn)")
    )


def test_answers_are_compared_where_metrics_are_not() -> None:
    published = {"version": 17, "towers": "digest", "skipped": "it was fitted to other events", "churn": KEPT}
    found = verdict(measured(0.4, published=published), max_churn=0.1)
    assert [check.passed for check in found.checks[-2:]] == [True, False]


def test_churn_passes_while_nothing_is_served() -> None:
    check = verdict(measured(0.4), max_churn=0.1).checks[-1]
    assert (check.passed, check.skipped) == (True, "nothing has been published yet")


def test_churn_is_told_without_a_gate() -> None:
    found = verdict(measured(0.4, published=served(0.4, 0.4, width=0.01) | {"churn": KEPT}))
    assert found.notes[0] == "60% of the served model's first 10 answers are kept (55% … 65%, Jaccard 0.43)"
