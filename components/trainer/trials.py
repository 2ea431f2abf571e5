"""Picks which short trial run to continue: the one with the best validation metric."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from dataplane.artifacts.document import JsonValue
from models.spec.progress import Decided, Progress
from models.spec.trials import Trial, TrialSpace
from models.training.unfinished import read_sealed, write_sealed

Scores = Mapping[Trial, float]


def run_trials(space: TrialSpace, score: Callable[[Trial], float], directory: Path, progress: Progress) -> Scores:
    """Returns the validation metric of each trial run; the best one can be continued.

    Recipes are compared first, then temperatures with the best recipe, then labels with the best temperature.

    Args:
        space: the values to compare.
        score: runs a trial and keeps its state in a folder of `directory` that is named like the trial.
        directory: keeps the metrics, so that a killed process loses at most one trial run, and the state of the best.
        progress: told which trial run begins, and how it ended.
    """
    file, scores = directory / "trials.json", dict[Trial, float]()
    if file.exists():
        for temperature, kind, recipe, found in read_sealed(file):
            scores[Trial(temperature, kind, recipe)] = found

    def best_among(trials: list[Trial]) -> Trial:
        for trial in trials:
            if trial not in scores:
                progress(f"short training {len(scores) + 1} of {space.runs} with {trial.described()}")
                _record(trial, score, scores, file, progress)
            for other in scores.keys() - {best_of(scores)}:
                shutil.rmtree(directory / str(other), ignore_errors=True)
        return best_of({trial: scores[trial] for trial in trials})

    best = best_among([replace(space.first, recipe=recipe) for recipe in space.recipes])
    best = best_among([replace(best, temperature=temperature) for temperature in space.temperatures])
    best_among([replace(best, labels=kind) for kind in space.labels])
    return scores


def _record(
    trial: Trial, score: Callable[[Trial], float], scores: dict[Trial, float], file: Path, progress: Progress
) -> None:
    scores[trial] = score(trial)
    rows = [[tried.temperature, tried.labels, tried.recipe, found] for tried, found in scores.items()]
    write_sealed(file, rows)
    facts = {**asdict(trial), "score": scores[trial]}
    progress(Decided(f"{trial.described()}: {scores[trial]:.4f} after a short training", facts))


def best_of(scores: Scores) -> Trial:
    """The first trial with the best metric."""
    return max(scores, key=lambda trial: scores[trial])


def tried_trials(scores: Scores, metric: str) -> tuple[Mapping[str, JsonValue], ...]:
    """The trial runs, as a report names them; with their recipe only if several were compared."""
    several = len({trial.recipe for trial in scores}) > 1
    named = ("recipe", "temperature", "labels") if several else ("temperature", "labels")
    return tuple({**{name: getattr(trial, name) for name in named}, metric: score} for trial, score in scores.items())
