"""Which trial runs there are, and what is said of them."""

from pathlib import Path

from components.trainer.trials import best_of, run_trials
from models.spec.trials import Trial, TrialSpace

SPACE = TrialSpace(("towers", "bag"), (0.1, 0.05, 0.2), ("next", "later"))


def test_each_value_is_tried_with_the_best_before_and_counted(tmp_path: Path) -> None:
    reports: list[str] = []
    better = {"bag": 1.0, 0.2: 0.5, "later": 0.25}

    def score(trial: Trial) -> float:
        return sum(better.get(value, 0) for value in (trial.recipe, trial.temperature, trial.labels))

    scores = run_trials(SPACE, score, tmp_path, lambda report: reports.append(str(report)))
    assert best_of(scores) == Trial(0.2, "later", "bag")
    assert len(scores) == SPACE.runs == 5
    begun = [report.split(" with ")[0] for report in reports if report.startswith("short training")]
    assert begun == [f"short training {number} of 5" for number in range(1, 6)]


def test_finished_trial_runs_are_neither_repeated_nor_counted_again(tmp_path: Path) -> None:
    run_trials(SPACE, lambda trial: 0.0, tmp_path, lambda report: None)
    reports: list[object] = []
    run_trials(SPACE, lambda trial: 1 / 0, tmp_path, reports.append)
    assert reports == []
