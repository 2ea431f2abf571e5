"""Temperatures and labels the trainer chooses itself, also when it is interrupted."""

from dataclasses import replace

import numpy as np
import pytest

from components.base import ExecutionContext
from components.trainer import TrainerParams
from dataplane.artifacts import Model
from dataplane.artifacts.transformed_examples import DatasetMetadata
from models.spec.config import ModelConfig
from models.spec.progress import Decided, Report, Validated
from models.spec.trials import TRIAL_VALIDATIONS, TRIED, Temperature
from tests.components.damage import DAMAGES
from tests.components.trainer.walks import ITEMS, LENGTH, PARAMS, QUERIES, identity, run, walks, weights

AUTO = PARAMS.model_copy(update={"model": ModelConfig(embedding_dim=16)})


@pytest.fixture(scope="module")
def with_auto(tmp_path_factory) -> Model:
    return run(tmp_path_factory.mktemp("auto") / "run", walks(), AUTO)


def test_auto_continues_with_the_best_temperature(with_auto, tmp_path):
    report = with_auto.read_json("training.json")
    tried = {trial["temperature"]: trial["recall@10"] for trial in report["tried"]}
    assert list(tried) == list(TRIED)
    assert {trial["labels"] for trial in report["tried"]} == {"next"}, "of a split by query, the next is asked for"
    assert tried[report["temperature"]] == max(tried.values())
    begun = report["curve"][:TRIAL_VALIDATIONS]
    assert max(entry["recall@10"] for entry in begun) == max(tried.values())
    assert not (with_auto.path / "unfinished").exists()

    fixed = run(tmp_path / "fixed", walks(), with_temperature(report["temperature"]))
    assert fixed.read_json("training.json")["validation"] == report["validation"]
    for name, value in weights(fixed).items():
        np.testing.assert_array_equal(value, weights(with_auto)[name], err_msg=name)
    assert identity(fixed) == identity(with_auto), "what is chosen and what is given are one model"


def with_temperature(temperature: Temperature) -> TrainerParams:
    return PARAMS.model_copy(update={"model": ModelConfig(embedding_dim=16, temperature=temperature)})


@pytest.mark.parametrize(("steps_ahead", "labels"), [(1, "next"), (5, "later")])
def test_auto_labels_suit_a_split_by_time(tmp_path, steps_ahead, labels):
    dataset = walks()
    candidate = dataset.events.candidate.reshape(QUERIES, LENGTH).copy()
    candidate[:, -2] = (candidate[:, -3] + steps_ahead) % ITEMS
    events = replace(dataset.events, candidate=candidate.ravel())
    dataset = replace(dataset, events=events, metadata=DatasetMetadata(ordered=True, split={"method": "time"}))
    training = PARAMS.training.model_copy(update={"metric": "ndcg@10"})
    model = run(tmp_path / "run", dataset, PARAMS.model_copy(update={"training": training}))
    report = model.read_json("training.json")
    assert report["labels"] == labels
    assert [(trial["temperature"], trial["labels"]) for trial in report["tried"]] == [(0.1, "next"), (0.1, "later")]
    assert max(report["tried"], key=lambda trial: trial["ndcg@10"])["labels"] == labels

    named = training.model_copy(update={"labels": labels})
    fixed = run(tmp_path / "named", dataset, PARAMS.model_copy(update={"training": named}))
    assert fixed.read_json("training.json")["tried"] == []
    for name, value in weights(fixed).items():
        np.testing.assert_array_equal(value, weights(model)[name], err_msg=name)

    params = PARAMS.model_copy(update={"training": training, "final": True})
    final = run(tmp_path / "final", dataset, params, model)
    assert final.read_json("training.json")["labels"] == labels


@pytest.mark.parametrize("lines", [3, 6, 13])
def test_auto_resumes_where_it_was_killed(with_auto, tmp_path, lines):
    class Killed(Exception):
        pass

    reported: list[str] = []

    def progress(report: Report) -> None:
        if isinstance(report, Validated | Decided):
            reported.append(str(report))
        if len(reported) == lines:
            raise Killed

    resume = tmp_path / "unfinished"
    with pytest.raises(Killed):
        run(tmp_path / "killed", walks(), AUTO, context=ExecutionContext(progress=progress, resume=resume))
    before = reported.copy()
    reported.clear()
    context = ExecutionContext(progress=lambda report: reported.append(str(report)), resume=resume)
    again = run(tmp_path / "again", walks(), AUTO, context=context)
    epochs = [line for line in before if line.startswith("epoch")]
    assert not set(epochs) & {line for line in reported if line.startswith("epoch")}
    assert again.read_json("training.json")["tried"] == with_auto.read_json("training.json")["tried"]
    for name, value in weights(again).items():
        np.testing.assert_array_equal(value, weights(with_auto)[name], err_msg=name)
    assert identity(again) == identity(with_auto)
    assert not resume.exists()


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [("*/state.json", "flip"), ("*/step-*.index", "cut"), ("*/step-*.data*", "flip"), ("trials.json", "cut")],
)
def test_damaged_parts_of_an_interrupted_training_start_again(with_auto, tmp_path, kind, pattern):
    class Killed(Exception):
        pass

    messages: list[str] = []

    def progress(report: Report) -> None:
        if isinstance(report, Validated | Decided):
            messages.append(str(report))
        if len(messages) == 5:
            raise Killed

    resume = tmp_path / "unfinished"
    with pytest.raises(Killed):
        run(tmp_path / "killed", walks(), AUTO, context=ExecutionContext(progress=progress, resume=resume))
    (file, *_) = sorted(resume.glob(pattern))
    DAMAGES[kind](file)
    messages.clear()
    again = run(tmp_path / "again", walks(), AUTO, context=ExecutionContext(warn=messages.append, resume=resume))
    assert f"the state of an interrupted training in {file.parent} is damaged: {file.name} " in messages[0]
    assert len(messages) == 1
    for name, value in weights(again).items():
        np.testing.assert_array_equal(value, weights(with_auto)[name], err_msg=name)


def test_a_final_fit_uses_the_temperature_of_its_reference(with_auto, tmp_path):
    final = run(tmp_path / "final", walks(), AUTO.model_copy(update={"final": True}), with_auto)
    reports = [model.read_json("training.json") for model in (final, with_auto)]
    assert reports[0]["temperature"] == reports[1]["temperature"]
