"""What the course of a training gives reason to note."""

import pytest

from components.trainer.fitted import memorising


def curve(*entries: tuple[float, float]) -> list[dict[str, float]]:
    return [{"step": 100 * n, "loss": loss, "recall@10": value} for n, (loss, value) in enumerate(entries, start=1)]


def test_a_metric_that_falls_from_the_first_validation_on_is_noted() -> None:
    (note,) = memorising(curve((6.9, 0.095), (3.1, 0.089), (0.6, 0.087)), "recall@10")
    assert "recall@10 fell from the first validation on (0.0950, 0.0890, 0.0870)" in note
    assert "loss fell from 6.90 to 0.60" in note


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [(6.9, 0.095), (3.1, 0.089)],
        [(6.9, 0.095), (3.1, 0.096), (0.6, 0.087)],
        [(6.9, 0.095), (3.1, 0.089), (6.9, 0.087)],
    ],
    ids=["none", "two", "a later one is better", "the loss does not fall"],
)
def test_other_courses_are_not(entries: list[tuple[float, float]]) -> None:
    assert memorising(curve(*entries), "recall@10") == []


def test_the_start_of_a_warm_training_is_no_validation_of_its_course() -> None:
    start = {"step": 0, "loss": 7.0, "recall@10": 0.099}
    assert memorising([start, *curve((6.9, 0.095), (0.6, 0.087))], "recall@10") == []
