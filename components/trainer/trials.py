"""Picks which short trial run to continue: the one with the best validation metric."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.spec.progress import Decided, Progress
from models.spec.trials import Labels, Temperature, Trial
from models.training.unfinished import read_sealed, write_sealed

Scores = Mapping[Trial, float]


def run_trials(
    temperatures: Sequence[Temperature],
    labels: Sequence[Labels],
    score: Callable[[Trial], float],
    directory: Path,
    progress: Progress,
) -> Scores:
    """Returns the validation metric of each trial run; the best one can be continued.

    Args:
        temperatures: compared first, all with the first labels.
        labels: compared next, all with the best temperature.
        score: runs a trial and keeps its state in a folder of `directory` that is named like the trial.
        directory: keeps the metrics, so that a killed process loses at most one trial run, and the state of the best.
        progress: told which trial run begins, and how it ended.
    """
    file, scores = directory / "trials.json", dict[Trial, float]()
    if file.exists():
        for temperature, kind, found in read_sealed(file):
            scores[Trial(temperature, kind)] = found

    def compare(trial: Trial) -> None:
        if trial not in scores:
            what = f"temperature {trial.temperature}, {trial.labels} labels"
            progress(f"short training with {what}")
            scores[trial] = score(trial)
            rows = [[tried.temperature, tried.labels, found] for tried, found in scores.items()]
            write_sealed(file, rows)
            facts = {"temperature": trial.temperature, "labels": trial.labels, "score": scores[trial]}
            progress(Decided(f"{what}: {scores[trial]:.4f} after a short training", facts))
        for other in scores.keys() - {best_of(scores)}:
            shutil.rmtree(directory / str(other), ignore_errors=True)

    for temperature in temperatures:
        compare(Trial(temperature, labels[0]))
    of_first = {trial: found for trial, found in scores.items() if trial.labels == labels[0]}
    for kind in labels[1:]:
        compare(Trial(best_of(of_first).temperature, kind))
    return scores


def best_of(scores: Scores) -> Trial:
    """The first trial with the best metric."""
    return max(scores, key=lambda trial: scores[trial])
