"""What a training reports: every step, every validation, and where it goes on."""

from pathlib import Path

import pytest
import tensorflow as tf

from models.spec.config import TrainingConfig
from models.spec.progress import Advanced, Decided, Progress, Report, Validated
from models.training.loop import Fit, fit_steps, fit_until_best, run_trial
from models.training.run import TrainingPaths
from tests.models.training.test_training import validation_of_last
from tests.models.training.test_two_tower import batches_of, chains, two_tower

CONFIG = TrainingConfig.model_validate({"max_epochs": 2, "metric": "ndcg@10"})


class Killed(Exception):
    pass


def fit(directory: Path, progress: Progress) -> Fit:
    data = chains()
    with tf.distribute.get_strategy().scope():
        model = two_tower(data, loss="full_softmax")
    paths = TrainingPaths(directory / "output", directory / "unfinished")
    batches = batches_of(data, loss="full_softmax")
    return fit_until_best(model, batches, validation_of_last(data), config=CONFIG, paths=paths, progress=progress)


def test_every_step_and_every_validation_is_reported(tmp_path: Path) -> None:
    reports: list[Report] = []
    found = fit(tmp_path, reports.append)
    advanced = [report for report in reports if isinstance(report, Advanced)]
    total = advanced[-1].total
    assert advanced == [Advanced(step, total, "steps", may_end_early=True) for step in range(1, len(advanced) + 1)]
    assert total == len(advanced), "no epoch was spared"
    validated = [report for report in reports if isinstance(report, Validated)]
    assert [(report.step, report.value) for report in validated] == [
        (entry["step"], entry["ndcg@10"]) for entry in found.curve
    ]
    best = max(found.curve, key=lambda entry: entry["ndcg@10"])
    assert (validated[-1].best, validated[-1].best_step) == (best["ndcg@10"], best["step"])
    assert reports.index(validated[0]) == validated[0].step, "right after the steps that it is of"


def test_a_resumed_training_says_where_it_goes_on(tmp_path: Path) -> None:
    def kill(report: Report) -> None:
        if isinstance(report, Validated):
            raise Killed

    with pytest.raises(Killed):
        fit(tmp_path, kill)
    reports: list[Report] = []
    found = fit(tmp_path, reports.append)
    step = int(found.curve[0]["step"])
    assert reports[0] == Decided(f"continues the training from step {step}", {"step": step})
    assert isinstance(reports[1], Advanced)
    assert reports[1].done == step + 1


def test_a_trial_and_a_final_fit_know_their_last_step(tmp_path: Path) -> None:
    data, reports = chains(), list[Report]()
    batches = batches_of(data, loss="full_softmax")
    run_trial(
        two_tower(data, loss="full_softmax"),
        batches,
        validation_of_last(data),
        config=CONFIG,
        paths=TrainingPaths(tmp_path / "trial", tmp_path / "trial-unfinished"),
        validations=1,
        progress=reports.append,
    )
    epoch = batches.steps_per_epoch
    assert [report for report in reports if isinstance(report, Advanced)][-1] == Advanced(epoch, epoch, "steps")
    reports.clear()
    paths = TrainingPaths(tmp_path / "final", tmp_path / "final-unfinished")
    fit_steps(two_tower(data, loss="full_softmax"), batches, steps=3, paths=paths, progress=reports.append)
    assert [report.done for report in reports if isinstance(report, Advanced)] == [1, 2, 3]
    assert str(reports[-1]).startswith("step 3 of 3: loss ")
