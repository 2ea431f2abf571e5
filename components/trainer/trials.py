"""Which of several short trainings is gone on with: the one that validation finds best."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.spec.trials import Labels, Temperature, Trial
from models.training.unfinished import read_sealed, write_sealed

Scores = Mapping[Trial, float]


def tried_out(
    temperatures: Sequence[Temperature],
    labels: Sequence[Labels],
    score: Callable[[Trial], float],
    directory: Path,
    progress: Callable[[str], None],
) -> Scores:
    """The validation metric of each trial; the training of the best one can be gone on with.

    Args:
        temperatures: what to compare, all with the first labels.
        labels: what to compare then, with the best temperature.
        score: a short training, which keeps what a longer one goes on from in a folder of `directory` that is named
            like the trial.
        directory: keeps what was found, so that a process that is killed loses one short training at most, and the
            folder of the best.
        progress: takes a line after each training.
    """
    file, scores = directory / "trials.json", dict[Trial, float]()
    if file.exists():
        for temperature, kind, found in read_sealed(file):
            scores[Trial(temperature, kind)] = found

    def compare(trial: Trial) -> None:
        if trial not in scores:
            scores[trial] = score(trial)
            rows = [[tried.temperature, tried.labels, found] for tried, found in scores.items()]
            write_sealed(file, rows)
            what = f"temperature {trial.temperature}, {trial.labels} labels"
            progress(f"{what}: {scores[trial]:.4f} after a short training")
        for other in scores.keys() - {best_of(scores)}:
            shutil.rmtree(directory / str(other), ignore_errors=True)

    for temperature in temperatures:
        compare(Trial(temperature, labels[0]))
    of_first = {trial: found for trial, found in scores.items() if trial.labels == labels[0]}
    for kind in labels[1:]:
        compare(Trial(best_of(of_first).temperature, kind))
    return scores


def best_of(scores: Scores) -> Trial:
    """The first trial that no other betters."""
    return max(scores, key=lambda trial: scores[trial])
