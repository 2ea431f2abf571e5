import math

import pytest

from components.infra_validator.answer_checks import LOWEST, answer_problem, same_ids, same_scores, shared_answers


@pytest.mark.parametrize(
    ("ids", "scores", "problem"),
    [
        (["a", "b", "c"], [3.0, 2.0, 2.0], None),
        (["a", "", ""], [3.0, LOWEST, LOWEST], None),
        (["", "", ""], [LOWEST] * 3, None),
        (["a", "b"], [3.0, 2.0], "2 ids and 2 scores, not 3"),
        (["a", "", "c"], [3.0, LOWEST, 1.0], "padding between answers"),
        (["a", "", ""], [3.0, 0.0, LOWEST], "padding with scores"),
        (["a", "b", "c"], [3.0, 2.0, math.nan], "not finite"),
        (["a", "b", "c"], [math.inf, 2.0, 1.0], "not finite"),
        (["a", "b", "c"], [3.0, 2.0, LOWEST], "not finite"),
        (["a", "b", "c"], [3.0, 1.0, 2.0], "scores that rise"),
        (["a", "b", "a"], [3.0, 2.0, 1.0], "'a' is answered 2 times"),
        (["a", "b", "seen"], [3.0, 2.0, 1.0], "'seen' is in the history"),
    ],
)
def test_an_answer_in_itself(ids: list[str], scores: list[float], problem: str | None) -> None:
    found = answer_problem(ids, scores, top_k=3, history=["seen", "other", ""])
    assert found is None if problem is None else problem in str(found)


def test_scores_may_differ_by_rounding_only() -> None:
    assert same_scores([100.0, 1.0, LOWEST], [100.001, 1.001, LOWEST]) is None
    assert "rank 2" in str(same_scores([100.0, 1.1], [100.0, 1.0]))
    assert "nan" in str(same_scores([math.nan], [1.0]))
    assert same_scores([1.0, LOWEST], [1.0, 0.5]) is not None


def test_ids_of_equal_scores_may_change_places() -> None:
    assert same_ids(["b", "a", "c"], ["a", "b", "c"], [2.0, 2.0, 1.0]) is None
    assert same_ids(["a", "b", "x"], ["a", "b", "c"], [3.0, 2.0, 2.0]) is None
    assert "'b' at rank 1" in str(same_ids(["b", "a", "c"], ["a", "b", "c"], [3.0, 2.0, 1.0]))
    assert "'x' at rank 1" in str(same_ids(["x", "b", "c"], ["a", "b", "c"], [3.0, 2.0, 1.0]))


def test_answers_as_good_as_the_exact_ones_are_shared() -> None:
    assert shared_answers([3.0, 1.0], [3.0, 2.0]) == (1, 2)
    assert shared_answers([2.0, 2.0], [2.0, 2.0]) == (2, 2)
    assert shared_answers([3.0, LOWEST], [3.0, LOWEST]) == (1, 1)
    assert shared_answers([LOWEST], [LOWEST]) == (0, 0)
