"""Models of the walks: what is written, that it repeats, and which trainings are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.data import validation_of
from components.trainer.executor import train
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.beam_runner.addresses import free_port
from dataplane.errors import ConfigError, DataError, DivergedError, RunError
from models.spec.config import ModelConfig, TrainingConfig
from serving.model.descriptions import directory_digest
from tests.components.trainer.walks import (
    LENGTH,
    PARAMS,
    QUERIES,
    SPEC,
    identity,
    run,
    walks,
    weights,
    with_split,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Model:
    return run(tmp_path_factory.mktemp("trained") / "run", walks())


def test_training_json_has_the_chosen_step_and_the_curve(trained):
    report = json.loads((trained.path / "training.json").read_text())
    assert report["loss"] == "full_softmax"
    assert report["embedding_dim"] == 16
    assert report["events"] == QUERIES * (LENGTH - 2)
    assert report["validation_queries"] == QUERIES
    best = max(report["curve"], key=lambda entry: entry["recall@10"])
    assert report["steps"] == best["step"]
    assert report["validation"]["recall@10"] == best["recall@10"] > 0.9
    assert list((trained.path / "tensorboard").iterdir())


def test_exported_towers_are_the_chosen_ones(trained):
    towers = tf.saved_model.load(str(trained.path / "towers"))
    dataset = walks()
    validation = validation_of(dataset, SPEC, PARAMS)
    report = json.loads((trained.path / "training.json").read_text())
    metrics = validation.metrics(towers.embed_query, towers.embed_candidate)
    assert metrics == pytest.approx(report["validation"], abs=1e-6)


def test_two_runs_have_identical_weights_and_metrics(trained, tmp_path):
    again = run(tmp_path / "again", walks())
    first, second = weights(trained), weights(again)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    reports = [json.loads((model.path / "training.json").read_text()) for model in (trained, again)]
    assert reports[0]["validation"] == reports[1]["validation"]


def test_a_model_s_identity_does_not_depend_on_the_process_s_past(trained, tmp_path):
    other = PARAMS.model_copy(update={"seed": 7})
    models = [run(tmp_path / "other", walks(), other), run(tmp_path / "again", walks())]
    files = [directory_digest(model.path / "towers") for model in (trained, models[1])]
    assert files[0] != files[1], "the graph counts functions over the process; else there is nothing to test"
    assert identity(models[1]) == identity(trained) != identity(models[0])
    assert identity(trained).startswith("content:")


@pytest.mark.parametrize("batch_size", [64, 4096])
def test_a_diverging_training_ends_with_a_hint(tmp_path, batch_size):
    # With one step a validation the loss is still a number when the embeddings are none any more.
    training = TrainingConfig(batch_size=batch_size, learning_rate=3e38, max_epochs=2)
    model = ModelConfig(embedding_dim=16, temperature=0.1, score="dot")
    with pytest.raises(DivergedError, match=r"(?i)lower training\.learning_rate") as error:
        run(tmp_path / "run", walks(), PARAMS.model_copy(update={"training": training, "model": model}))
    assert not error.value.may_pass_unchanged


def test_a_final_fit_repeats_the_epochs_of_its_reference(trained, tmp_path):
    dataset = walks()
    everything = with_split(dataset, np.zeros(len(dataset.events)))
    final = run(tmp_path / "final", everything, PARAMS.model_copy(update={"final": True}), trained)
    report, reference = (json.loads((m.path / "training.json").read_text()) for m in (final, trained))
    assert report["steps"] == round(reference["steps"] * LENGTH / (LENGTH - 2))
    assert report["validation"] == {}
    assert (final.path / "towers" / "saved_model.pb").exists()
    assert identity(final) != identity(trained)


def test_final_fit_needs_its_reference(tmp_path):
    with pytest.raises(RunError, match="reference"):
        run(tmp_path / "final", walks(), PARAMS.model_copy(update={"final": True}))


def test_no_training_events_are_refused(tmp_path):
    dataset = walks()
    with pytest.raises(DataError, match="no training event"):
        run(tmp_path / "empty", with_split(dataset, np.full(len(dataset.events), 2)))


def test_negative_weights_are_refused(tmp_path):
    dataset = walks()
    weight = np.full(len(dataset.events), -1, np.float32)
    with pytest.raises(DataError, match="use_weights"):
        run(tmp_path / "negative", replace(dataset, events=replace(dataset.events, weight=weight)))


def test_settings_that_need_ordered_events_are_refused(tmp_path):
    dataset = replace(walks(), metadata=DatasetMetadata(ordered=False))
    training = PARAMS.training.model_copy(update={"labels": "later"})
    with pytest.raises(DataError, match=r"training\.labels: later needs ordered events"):
        run(tmp_path / "unordered", dataset, PARAMS.model_copy(update={"training": training}))


@pytest.mark.parametrize("config", [None, "not JSON", "[]", '{"cluster": null}'])
def test_unnamed_machines_are_a_configuration_error(tmp_path, monkeypatch, config):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    training = PARAMS.training.model_copy(update={"distribution": "multi_worker"})
    with pytest.raises(ConfigError, match="TF_CONFIG"):
        train(
            TransformedExamples(tmp_path),
            TransformGraph(tmp_path),
            None,
            params=PARAMS.model_copy(update={"training": training}),
            reference=None,
            resume=None,
            progress=lambda line: None,
            scratch=tmp_path,
        )


@pytest.mark.parametrize(
    ("machines", "error", "message"),
    [(1, DivergedError, r"(?i)lower training\.learning_rate"), (0, ConfigError, "TF_CONFIG")],
    ids=["diverges", "unnamed machines"],
)
def test_a_training_in_a_separate_process_fails_alike(tmp_path, monkeypatch, machines, error, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if machines:
        cluster = {"worker": [f"127.0.0.1:{free_port()}"]}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}}))
    training = TrainingConfig(batch_size=64, learning_rate=3e38, max_epochs=1, distribution="multi_worker")
    with pytest.raises(error, match=message):
        run(tmp_path / "apart", walks(), PARAMS.model_copy(update={"training": training}))
