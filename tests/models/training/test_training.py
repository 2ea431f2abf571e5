"""A resumed training equals an uninterrupted one bit for bit."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.ranking.ranking import CandidateLists
from models.spec.config import TrainingConfig
from models.spec.progress import Report, Validated
from models.training.batches import Batch, TrainingData
from models.training.loop import Fit, fit_steps, fit_until_best, run_trial
from models.training.run import TrainingPaths
from models.training.two_tower import TwoTower
from models.training.validation import Validation
from tests.models.training.test_two_tower import batches_of, chains, two_tower


class Killed(Exception):
    pass


def validation_of_last(data: TrainingData) -> Validation:
    """Predicts the last event of each query from all earlier ones."""
    ends = data.offsets[1:] - 1
    return Validation(
        queries={"history": data.history(np.arange(len(ends)), ends)},
        candidates=data.candidates,
        relevant=CandidateLists(np.arange(len(ends) + 1), data.candidate[ends]),
        excluded=CandidateLists.empty(len(ends)),
    )


def fit(
    directory: Path,
    settings: dict,
    killed_after: int | None = None,
    data: TrainingData | None = None,
    strategy: tf.distribute.Strategy | None = None,
    error: type[BaseException] = Killed,
) -> tuple[TwoTower, Fit]:
    data = data or chains()
    validation = validation_of_last(data)
    validations: list[Validated] = []

    def progress(report: Report) -> None:
        if isinstance(report, Validated):
            validations.append(report)
        if len(validations) == killed_after:
            raise error

    with (strategy or tf.distribute.get_strategy()).scope():
        model = two_tower(data, **settings)
    config = TrainingConfig.model_validate({"max_epochs": 2, "metric": "ndcg@10"})
    paths = TrainingPaths(directory / f"output-{killed_after}", directory / "unfinished")
    batches = batches_of(data, **settings)
    return model, fit_until_best(model, batches, validation, config=config, paths=paths, progress=progress)


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
    finished = state(whole)
    assert len(finished) > 2 * len(whole.trainable_variables), "with the optimiser's slots"
    for value, wanted in zip(state(resumed), finished, strict=True):
        np.testing.assert_array_equal(value, wanted)


def test_a_finished_training_leaves_no_files(tmp_path):
    fit(tmp_path, {"loss": "full_softmax"})
    assert not (tmp_path / "unfinished").exists()
    assert list((tmp_path / "output-None" / "checkpoints").glob("ckpt-*.index"))


def test_a_resumed_training_does_not_start_from_scratch(tmp_path):
    with pytest.raises(Killed):
        fit(tmp_path, {"loss": "full_softmax"}, killed_after=1)
    first = (tmp_path / "unfinished" / "state.json").read_text()
    _, found = fit(tmp_path, {"loss": "full_softmax"})
    assert str(found.curve[0]["seconds"]) in first, "the clock of what was done before the interruption goes on"


def iterators_and_threads() -> list[str]:
    """Live parts of an input pipeline, on which the interpreter could wait forever at exit."""
    gc.collect()
    iterators = [type(it).__name__ for it in gc.get_objects() if isinstance(it, tf.data.Iterator)]
    return iterators + [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("error", [None, Killed, KeyboardInterrupt, FloatingPointError])
def test_the_input_pipeline_ends_with_the_training(error, tmp_path):
    settings = {"loss": "in_batch_softmax"}
    if error is None:
        fit(tmp_path, settings)
    else:
        with pytest.raises(error) as raised:  # the traceback keeps all variables alive
            fit(tmp_path, settings, killed_after=1, error=error)
        assert raised
    assert iterators_and_threads() == []


def test_the_input_pipeline_ends_with_a_trial(tmp_path):
    data = chains()
    model, batches = two_tower(data, loss="full_softmax"), batches_of(data, loss="full_softmax")
    paths = TrainingPaths(tmp_path / "output", tmp_path / "unfinished", trial="short")
    config = TrainingConfig.model_validate({"max_epochs": 2, "metric": "ndcg@10"})
    run_trial(model, batches, validation_of_last(data), config=config, paths=paths, validations=1)
    assert iterators_and_threads() == []
    fit_steps(model, batches, steps=3, paths=paths)
    assert iterators_and_threads() == []


def test_an_error_while_a_batch_is_prepared_ends_the_training_unchanged(tmp_path, monkeypatch):
    data = chains()
    model, batches = two_tower(data, loss="full_softmax"), batches_of(data, loss="full_softmax")

    def broken(step: int) -> Batch:
        if step == 2:
            raise OSError("the events cannot be read")
        return made(step)

    made = batches.batch
    monkeypatch.setattr(batches, "batch", broken)
    with pytest.raises(OSError, match="the events cannot be read"):
        fit_steps(model, batches, steps=5, paths=TrainingPaths(tmp_path, tmp_path / "unfinished"))
    assert iterators_and_threads() == []


@pytest.mark.parametrize("examples", ["events", "sequences"])
def test_batches_of_every_length_are_traced_once(examples, tmp_path, monkeypatch):
    traces = []
    train_step = TwoTower.train_step

    def traced(*given):
        traces.append(1)
        return train_step(*given)

    monkeypatch.setattr(TwoTower, "train_step", traced)
    settings = {"loss": "full_softmax", "examples": examples}
    fit(tmp_path, settings | ({"encoder": "gru"} if examples == "sequences" else {}))
    assert len(traces) == 1
