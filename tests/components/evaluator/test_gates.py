"""The gates as rules: which numbers are blessed, and with which messages."""

from typing import Any

import pytest

from components.evaluator.gates import not_finite
from dataplane.artifacts.blessing import Verdict
from dataplane.verdict import refusal, summary
from tests.components.evaluator.verdicts import NONE_HELD_BACK, measured, served, values, verdict


@pytest.mark.parametrize(
    ("ours", "popularity", "blessed"),
    [(0.2, 0.1, True), (0.1001, 0.1, True), (0.1, 0.1, False), (0.05, 0.1, False), (0, 0, False), (1, 1, True)],
)
def test_by_default_popularity_must_be_beaten(ours: float, popularity: float, blessed: bool) -> None:
    found = verdict(measured(ours, popularity))
    assert found.blessed is blessed
    assert (found.checks[0].name, found.checks[0].passed) == ("better_than_popularity", blessed)


def test_a_lead_that_may_be_chance_is_noted() -> None:
    message = "must exceed popularity (the interval is not entirely above zero: may be chance): passed"
    assert message in verdict(measured(0.11, 0.1)).checks[0].message
    for value in (0.2, 0.05):
        assert "chance" not in verdict(measured(value, 0.1)).checks[0].message


def test_the_cutoff_is_that_of_the_configuration() -> None:
    metrics = measured(0.2)
    metrics["test"] |= {"ndcg@5": 0.01, "recall@5": 0.5, "hit_rate@5": 0.5, "mrr@5": 0.5}
    metrics["baselines"]["popularity"] |= {"ndcg@5": 0.02}
    metrics["intervals"]["test_minus_popularity"]["ndcg@5"] = (-0.02, 0.0)
    assert verdict(metrics).blessed
    assert not verdict(metrics, main_at=5).blessed


@pytest.mark.parametrize("off", [None, False, {}])
def test_each_gate_can_be_turned_off_with_a_note(off: Any) -> None:
    worse = measured(0.05, 0.1, served(0.4, 0.05, width=0.01))
    found = verdict(worse, min_lift_over_popularity=off, min_lift_over_published=off)
    assert (found.blessed, found.checks) == (True, ())
    assert found.notes == (
        "no gate against popularity: evaluation.min_lift_over_popularity is turned off",
        "popularity is ahead of the model: ndcg@10 0.1000 against 0.0500",
        "not compared with a served model: evaluation.min_lift_over_published is turned off",
    )
    only_popularity = verdict(worse, min_lift_over_popularity=off)
    assert [check.name for check in only_popularity.checks] == ["not_worse_than_published"]
    assert not only_popularity.blessed


def test_a_baseline_ahead_of_a_blessed_model_is_noted() -> None:
    metrics = measured(0.2)
    metrics["baselines"] |= {"item_knn": values(0.3), "ease": values(0.1), "ials": {"skipped": "too large"}}
    found = verdict(metrics)
    assert found.blessed
    assert found.notes == ("item_knn is ahead of the model: ndcg@10 0.3000 against 0.2000",)


def test_a_missing_popularity_baseline_is_noted() -> None:
    found = verdict(measured(0.05, None), baselines=[])
    assert found.blessed
    assert found.notes[0] == "not compared with popularity: it is not among evaluation.baselines"


@pytest.mark.parametrize(
    ("ours", "theirs", "blessed"), [(0.2, 0.2, True), (0.2, 0.21, False), (0.0, 0.0, True), (0.2, None, False)]
)
def test_a_gate_may_name_any_baseline(ours: float, theirs: float | None, blessed: bool) -> None:
    metrics = measured(ours)
    metrics["baselines"]["ease"] = {"skipped": "too large"} if theirs is None else values(theirs)
    gates = {
        "baselines": ["ease"],
        "min_lift_over_popularity": None,
        "min_lift_over_baselines": {"ease": {"ndcg@10": 1}},
    }
    found = verdict(metrics, **gates)
    assert found.blessed is blessed
    (check,) = [check for check in found.checks if check.name == "lift_over_ease"]
    assert ("too large" if theirs is None else f"ease's {theirs:.4f}") in check.message
    assert check.message.endswith("passed" if blessed else "refused (evaluation.min_lift_over_baselines.ease)")


@pytest.mark.parametrize(
    ("published", "blessed"),
    [
        (served(0.3, 0.2, width=0.02), False),
        (served(0.3, 0.2, width=0.2), True),  # may be chance
        (served(0.3, 0.295, width=0.001), True),  # certain, and within the 2% that may be lost
        (served(0.3, 0.29, width=0.001), False),
        (served(0.3, 0.4, width=0.01), True),
        (served(0.3, 0.0, width=0.0, queries=9), True),  # too few to show anything
        (served(0.3, 0.0, width=0.0, queries=10), False),
        (served(0.0, 0.0, width=0.0), True),
    ],
)
def test_by_default_a_clearly_worse_model_than_the_served_one_is_refused(
    published: dict[str, Any], blessed: bool
) -> None:
    found = verdict(measured(0.5, published=published))
    assert found.blessed is blessed
    assert found.checks[1].version == 17


def test_ratios_replace_the_default_rule() -> None:
    metrics = measured(0.2, 0.1, served(0.3, 0.2, width=0.02))
    ratios = {"min_lift_over_popularity": {"recall@10": 3}, "min_lift_over_published": {"recall@10": 0.6}}
    found = verdict(metrics, **ratios)
    assert [(check.name, check.passed) for check in found.checks] == [
        ("lift_over_popularity", False),
        ("lift_over_published", True),
    ]
    assert found.checks[1].value == pytest.approx(2 / 3)


@pytest.mark.parametrize(("least", "blessed"), [(0.2, True), (0.2001, False)])
def test_a_threshold_is_met_by_an_equal_value(least: float, blessed: bool) -> None:
    found = verdict(measured(0.2), thresholds={"recall@10": least})
    assert found.blessed is blessed
    check = found.checks[0]
    assert (check.name, check.value, check.threshold) == ("threshold", 0.2, least)


@pytest.mark.parametrize(
    ("ours", "popularity", "least", "blessed"),
    [
        (0.2, 0.1, 2, True),
        (0.2, 0.1, 2.1, False),
        (0.01, 0, 9, True),  # any hit is better than none
        (0, 0, 0.5, False),
    ],
)
def test_a_ratio_to_popularity_is_met_by_an_equal_value(
    ours: float, popularity: float, least: float, blessed: bool
) -> None:
    found = verdict(measured(ours, popularity), min_lift_over_popularity={"recall@10": least})
    assert found.blessed is blessed
    assert found.checks[0].value == (ours / popularity if popularity else None)


@pytest.mark.parametrize(
    ("theirs", "ours", "least", "blessed"), [(0.25, 0.2, 0.8, True), (0.25, 0.2, 0.81, False), (0, 0, 0.8, True)]
)
def test_a_ratio_to_the_served_model_is_met_by_an_equal_value(
    theirs: float, ours: float, least: float, blessed: bool
) -> None:
    published = served(theirs, ours, width=0.01)
    found = verdict(measured(0.5, published=published), min_lift_over_published={"recall@10": least})
    assert found.blessed is blessed
    assert found.checks[1].version == 17


def test_coverage_has_no_interval() -> None:
    metrics = measured(0.2)
    metrics["test"]["coverage@10"] = 0.5
    message = verdict(metrics, thresholds={"coverage@10": 0.4}).checks[0].message
    assert message == "coverage@10 0.5000, at least 0.4 required: passed"


def test_a_refusal_names_metric_values_bound_interval_and_setting_beside_the_table() -> None:
    metrics = measured(0.05, 0.1, served(0.3, 0.05, width=0.02))
    message = "\n".join(refusal(verdict(metrics)))
    for expected in (
        "ndcg@10 0.0500 against popularity's 0.1000: -0.0500 (-0.0700 … -0.0300), must exceed popularity: "
        "refused (evaluation.min_lift_over_popularity)",
        "ndcg@10 0.0500 against served version 17's 0.3000: -0.2500 (-0.2700 … -0.2300) on 200 queries, must not be "
        "clearly below 0.2940 (2% tolerance): refused (evaluation.min_lift_over_published)",
        "Test           two-tower  popularity  served",
        "  ndcg@10         0.0500      0.1000  0.3000",
        "to publish this model unchanged, loosen or turn off (null) the settings in brackets",
    ):
        assert expected in message


def test_the_served_model_is_shown_beside_what_it_is_compared_with() -> None:
    other_queries = served(0.3, 0.4, width=0.02, queries=20)
    message = "\n".join(refusal(verdict(measured(0.05, 0.1, other_queries))))
    assert "Test           two-tower  popularity  two-tower*  served*" in message
    assert "* on the queries and features that the served model can be compared on" in message


def test_the_summary_says_what_was_and_what_was_not_compared() -> None:
    assert summary(verdict(measured(0.2))) == [
        "Verdict    blessed",
        "  ndcg@10 0.2000 against popularity's 0.1000: +0.1000 (0.0800 … 0.1200), must exceed popularity: passed",
        "  not compared with a served model: nothing has been published yet",
    ]
    few = measured(0.2, not_measured={"test": {**NONE_HELD_BACK, "queries": 3}})
    assert summary(verdict(few))[-1] == "  note: test: only 3 queries are measured; differences may be chance"


def test_no_setting_lets_a_useless_model_pass() -> None:
    off = {"min_lift_over_popularity": None, "min_lift_over_published": None, "max_unmeasured_fraction": None}
    found = verdict(measured(0.5, collapsed="all 60 candidate embeddings are zero"), **off)
    assert not found.blessed
    assert "No setting publishes such a model" in refusal(found)[-1]
    assert not not_finite("NaN").blessed


@pytest.mark.parametrize(("bound", "blessed"), [(0.5, False), (0.75, True), (1, True), (None, True), (False, True)])
def test_most_queries_unmeasured_is_no_blessing(bound: Any, blessed: bool) -> None:
    counts = {"events": 8, "seen_before": 6, "queries": 4, "queries_without": 3}
    found = verdict(measured(0.5, not_measured={"test": counts}), max_unmeasured_fraction=bound)
    assert found.blessed is blessed
    assert any("6 of 8 events are not measured" in note for note in found.notes)


def test_a_verdict_of_an_older_version_is_shown() -> None:
    old = {"name": "threshold", "metric": "recall@10", "value": 0.1, "threshold": 0.5, "passed": False}
    assert (
        refusal(Verdict.model_validate({"blessed": False, "checks": [old]}))[0] == "  threshold recall@10: 0.1 of 0.5"
    )
    assert summary(Verdict(blessed=True)) == ["Verdict    blessed"]
    assert refusal(Verdict(blessed=False)) == []
