"""An interrupted training goes on as if nothing had happened, to the bit."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.batches import TrainingData
from models.config import TrainingConfig
from models.ranking import CandidateLists
from models.training import Fit, Places, fit_until_best
from models.two_tower import TwoTower
from models.validation import Validation
from tests.models.test_two_tower import batches_of, chains, two_tower


class Killed(Exception):
    pass


def fit(
    directory: Path,
    settings: dict,
    killed_after: int | None = None,
    data: TrainingData | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[TwoTower, Fit]:
    data = data or chains()
    ends = data.offsets[1:] - 1
    validation = Validation(
        queries={"history": data.history(np.arange(len(ends)), ends)},
        candidates=data.candidates,
        relevant=CandidateLists(np.arange(len(ends) + 1), data.candidate[ends]),
        excluded=CandidateLists.empty(len(ends)),
    )
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        if len(lines) == killed_after:
            raise Killed

    with (strategy or tf.distribute.get_strategy()).scope():
        model = two_tower(data, **settings)
    config = TrainingConfig.model_validate({"max_epochs": 2, "metric": "ndcg@10"})
    places = Places(directory / f"output-{killed_after}", directory / "unfinished")
    batches = batches_of(data, **settings)
    return model, fit_until_best(model, batches, validation, config=config, places=places, progress=progress)


def state(model: TwoTower) -> list[np.ndarray]:
    variables = [*model.trainable_variables, *model.optimizer.variables]
    variables += [v for part in model.memories.values() if part is not None for v in part.variables]
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize(
    "settings",
    [
        {
            "loss": "in_batch_softmax",
            "negatives": {"type": "mixed", "n": 8},
            "frequency": {"type": "streaming", "buckets": 64},
        },
        {"loss": "sampled_softmax", "negatives": {"type": "cross_batch", "n": 100, "warm_up": 3}},
        {"loss": "bpr", "negatives": {"type": "mined", "n": 2, "warm_up": 2, "refresh": 11}},
        {"loss": "full_softmax", "encoder": "self_attention", "examples": "sequences", "optimizer": "adagrad"},
        {"loss": "full_softmax", "temperature": "learned"},
    ],
    ids=["streaming frequency", "queue", "mined", "sequences", "learned temperature"],
)
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(settings, tmp_path):
    whole, expected = fit(tmp_path / "whole", settings)
    with pytest.raises(Killed):
        fit(tmp_path / "parts", settings, killed_after=1)
    resumed, found = fit(tmp_path / "parts", settings)
    assert found.steps == expected.steps
    for entry, other in zip(found.curve, expected.curve, strict=True):
        assert entry | {"seconds": 0} == other | {"seconds": 0}
    before = state(whole)
    assert len(before) > 2 * len(whole.trainable_variables), "with the optimiser's slots"
    for value, other in zip(state(resumed), before, strict=True):
        np.testing.assert_array_equal(value, other)


def test_nothing_is_left_of_a_training_that_is_done(tmp_path):
    fit(tmp_path, {"loss": "full_softmax"})
    assert not (tmp_path / "unfinished").exists()
    assert list((tmp_path / "output-None" / "checkpoints").glob("ckpt-*.index"))


def test_a_resumed_training_does_not_start_again(tmp_path):
    with pytest.raises(Killed):
        fit(tmp_path, {"loss": "full_softmax"}, killed_after=1)
    first = (tmp_path / "unfinished" / "state.json").read_text()
    _, found = fit(tmp_path, {"loss": "full_softmax"})
    assert str(found.curve[0]["seconds"]) in first, "the clock of what was done before the interruption goes on"
