from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.datasets import DatasetName
from benchmarks.quality.comparison import Comparison
from benchmarks.quality.goals import goals_of, quick_goals
from benchmarks.quality.runs import Method
from benchmarks.quality.tasks import Run


def method(name: str, tests: Sequence[float], *, validation: float, at: int = 10, baseline: bool = False) -> Method:
    """A method with a seed for each test value, which all its metrics and queries share."""
    names = (f"hit_rate@{at}", f"recall@{at}", f"ndcg@{at}")
    runs = [
        Run(
            validation=dict.fromkeys(names, validation),
            test=dict.fromkeys(names, value),
            fit=1.0,
            chance=0.01 if baseline else None,
            new_auc=None if baseline else value,
            slices={} if baseline else {"candidate": {"new": {f"recall@{at}": value / 10}}},
        )
        for value in tests
    ]
    per_query = {metric: np.full(50, np.mean(tests)) for metric in ("hit_rate", "recall", "ndcg")}
    return Method(name, baseline, runs, per_query)


def comparison(name: DatasetName, *methods: Method) -> Comparison:
    return Comparison(name, methods)


def test_rows_have_means_deviations_and_the_difference_to_the_baseline_that_validation_names() -> None:
    skipped = Method("EASE", True, [Run(skipped="too large")], {})
    weak, strong = (
        method(name, [0.05], validation=value, baseline=True) for name, value in (("popularity", 0.1), ("iALS", 0.2))
    )
    default, *others = comparison(
        "ml-100k", method("default", [0.1, 0.3], validation=0.1), skipped, weak, strong
    ).rows()
    assert default.hit_rate == pytest.approx(0.2)
    assert default.hit_rate_std == pytest.approx(0.1414)
    assert default.recall is None
    assert default.to_strongest == "+0.1500 … +0.1500 (iALS)"
    assert default.new_candidate is None, "this data set is not about what is new"
    assert others[0].note == "skipped: too large"
    assert others[1].to_strongest is None


def test_the_best_system_on_validation_has_to_reach_the_highest() -> None:
    best, other = method("a", [0.2], validation=0.9), method("b", [0.9], validation=0.1)
    hit_rate, ndcg = goals_of(comparison("ml-100k", best, other))
    assert (hit_rate.value, hit_rate.met) == (0.2, False)
    assert ndcg.met


def test_a_baseline_that_was_left_out_has_no_goal() -> None:
    popularity = method("popularity", [0.1], validation=0.1, baseline=True)
    goals = list(goals_of(comparison("untuned", method("default", [0.3], validation=0.1), popularity)))
    assert [(round(goal.value, 6), goal.met) for goal in goals] == [(3.0, True), (3.0, True)]


def test_what_is_new_is_compared_with_chance_and_with_ids_alone() -> None:
    default = method("default", [0.7], validation=0.1, at=100)
    blind = method("default, ids only", [0.5], validation=0.1, at=100)
    chance = method("popularity", [0.1], validation=0.1, at=100, baseline=True)
    recall, by_features, by_ids = goals_of(comparison("synthetic cold", default, blind, chance))
    assert (round(recall.value, 6), recall.met) == (7.0, True)
    assert (by_features.value, by_features.met) == (0.7, True)
    assert (by_ids.value, by_ids.met) == (0.5, True)
    (quick,) = quick_goals(comparison("synthetic cold", default, chance))
    assert (round(quick.value, 6), quick.met) == (70.0, True)
    assert not list(goals_of(comparison("synthetic cold", chance)))


def test_auto_may_be_a_standard_error_below_a_recipe_and_no_more() -> None:
    auto, bag = (method(name, [0.2], validation=0.2, at=20) for name in ("auto", "bag"))
    knn = method("item-kNN", [0.2], validation=0.2, at=20, baseline=True)
    noise = np.tile([-0.1, 0.1], 25)
    error = float(np.std(noise, ddof=1)) / np.sqrt(50)
    bag.per_query["ndcg"][:] += noise + 0.9 * error
    knn.per_query["ndcg"][:] += noise + 1.1 * error
    to_bag, to_knn = goals_of(comparison("large static", auto, bag, knn))
    assert to_bag.value == pytest.approx(-0.9, abs=0.01)
    assert to_knn.value == pytest.approx(-1.1, abs=0.01)
    assert to_bag.met
    assert not to_knn.met
