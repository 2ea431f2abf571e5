"""Which of several temperatures a model is trained with: the one that validation finds best after a short training."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.sources.reports import replaced
from models.temperature import Temperature

Scores = Mapping[Temperature, float]


def tried_out(
    temperatures: Sequence[Temperature],
    score: Callable[[Temperature], float],
    directory: Path,
    progress: Callable[[str], None],
) -> Scores:
    """The validation metric of each temperature; the training of the best one can be gone on with.

    Args:
        temperatures: what to compare.
        score: a short training, whose `trial_directory` has what a longer one goes on from.
        directory: keeps what was found, so that a process that is killed loses one short training at most, and the
            trial's directory of the best.
        progress: takes a line after each training.
    """
    file, scores = directory / "temperatures.json", dict[Temperature, float]()
    if file.exists():
        scores.update(json.loads(file.read_text(encoding="utf-8")))
    for temperature in temperatures:
        if temperature not in scores:
            scores[temperature] = score(temperature)
            with replaced(file) as written:
                written.write_text(json.dumps(list(scores.items())), encoding="utf-8")
            progress(f"temperature {temperature}: {scores[temperature]:.4f} after a short training")
        for other in scores.keys() - {best_of(scores)}:
            shutil.rmtree(directory / trial_directory(other), ignore_errors=True)
    return scores


def best_of(scores: Scores) -> Temperature:
    """The first temperature that no other betters."""
    return max(scores, key=lambda temperature: scores[temperature])


def trial_directory(temperature: Temperature) -> str:
    """Name of the directory where the training with a temperature keeps what it goes on from."""
    return f"temperature-{temperature}"
