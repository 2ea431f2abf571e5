import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components.base import ExecutionContext
from components.trainer import Trainer, TrainerParams
from components.trainer.data import validation_of
from components.trainer.executor import train
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.beam_runner.addresses import free_port
from dataplane.dataset.sequences import Dataset, Entities, Events, write_dataset
from dataplane.errors import ConfigError, DataError, DivergedError, RefusedError, RunError
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import EncodedColumn, EncodedSpec, FeatureSpec
from models.spec.progress import Decided, Report, Validated
from models.spec.trials import TRIAL_VALIDATIONS, TRIED, Temperature
from serving.model.descriptions import directory_digest
from serving.model.identities import part_digest
from tests.components.damage import DAMAGES

ITEMS, QUERIES, LENGTH = 30, 80, 10
SPEC = EncodedSpec(
    features=FeatureSpec.model_validate({"history": {"max_length": 4}, "context": {"device": {"type": "categorical"}}}),
    query={},
    context={"device": EncodedColumn(feature="device", kind="tokens", width=1, vocabulary_size=4)},
    candidate={
        "candidate_id": EncodedColumn(feature="candidate_id", kind="tokens", width=1, vocabulary_size=ITEMS + 2)
    },
)
PARAMS = TrainerParams(
    model=ModelConfig(embedding_dim=16, temperature=0.1),
    training=TrainingConfig(batch_size=64, learning_rate=0.02, max_epochs=6),
)


def walks() -> Dataset:
    """Every query walks from item to item. Its last event is for test, the one before for validation."""
    random = np.random.default_rng(0)
    candidate = (random.integers(0, ITEMS, QUERIES)[:, None] + np.arange(LENGTH)) % ITEMS
    split = np.zeros((QUERIES, LENGTH), np.int8)
    split[:, -2:] = [1, 2]
    device = random.integers(0, 4, (QUERIES * LENGTH, 1)).astype(np.int32)
    events = Events(
        offsets=np.arange(0, QUERIES * LENGTH + 1, LENGTH),
        candidate=candidate.ravel().astype(np.int32),
        split=split.ravel(),
        context={"device": device},
    )
    return Dataset(
        events=events,
        queries=Entities(pa.array([f"q{row}" for row in range(QUERIES)]), {}),
        candidates=Entities(
            pa.array([f"c{row:02}" for row in range(ITEMS)]),
            {"candidate_id": np.arange(2, ITEMS + 2, dtype=np.int32)[:, None]},
        ),
        train_count=np.bincount(candidate[:, :-2].ravel(), minlength=ITEMS),
        metadata=DatasetMetadata(ordered=True),
    )


def with_split(dataset: Dataset, split: np.ndarray) -> Dataset:
    return replace(dataset, events=replace(dataset.events, split=split.astype(np.int8)))


def run(
    path: Path,
    dataset: Dataset,
    params: TrainerParams = PARAMS,
    reference: Model | None = None,
    context: ExecutionContext | None = None,
) -> Model:
    path.mkdir()
    examples, graph = TransformedExamples(path / "examples"), TransformGraph(path / "graph")
    write_dataset(examples, dataset)
    graph.write_json("spec.json", SPEC.model_dump(mode="json"))
    model = Model(path / "model")
    Trainer(params).execute(
        Trainer.Inputs(examples, graph, reference), Trainer.Outputs(model), context or ExecutionContext()
    )
    return model


def weights(model: Model) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(model.path / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    return {
        name: reader.get_tensor(name) for name in names if "OBJECT_GRAPH" not in name and "save_counter" not in name
    }


def identity(model: Model) -> str:
    return part_digest(model.path / "towers")


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


def coming_back(unmeasured: int) -> Dataset:
    """The walks, but the first queries' test events repeat earlier items."""
    dataset = walks()
    candidate = dataset.events.candidate.reshape(QUERIES, LENGTH).copy()
    candidate[:unmeasured, -1] = candidate[:unmeasured, 0]
    return replace(dataset, events=replace(dataset.events, candidate=candidate.ravel()))


def test_training_is_refused_if_most_queries_could_not_be_measured(tmp_path):
    expected = r"41 of 80 queries with test events cannot be measured.*set remove_seen: false.*nothing was trained"
    with pytest.raises(RefusedError, match=expected):
        run(tmp_path / "run", coming_back(41))
    assert not (tmp_path / "run" / "model").exists()


def test_a_model_chosen_by_few_queries_is_noted(tmp_path):
    dataset = coming_back(40)  # half of them are enough
    candidate = dataset.events.candidate.reshape(QUERIES, LENGTH).copy()
    candidate[:77, -2] = candidate[:77, 0]
    params = PARAMS.model_copy(update={"training": PARAMS.training.model_copy(update={"max_epochs": 1})})
    events = replace(dataset.events, candidate=candidate.ravel())
    model = run(tmp_path / "run", replace(dataset, events=events), params)
    notes = model.read_json("training.json")["notes"]
    assert notes[0].startswith(
        "validation: 77 of 80 events are not measured, because their queries had the candidates before"
    )
    assert notes[1] == "validation: only 3 queries choose the model; differences may be chance"


def test_a_final_fit_repeats_the_epochs_of_its_reference(trained, tmp_path):
    dataset = walks()
    everything = with_split(dataset, np.zeros(len(dataset.events)))
    final = run(tmp_path / "final", everything, PARAMS.model_copy(update={"final": True}), trained)
    report, reference = (json.loads((m.path / "training.json").read_text()) for m in (final, trained))
    assert report["steps"] == round(reference["steps"] * LENGTH / (LENGTH - 2))
    assert report["validation"] == {}
    assert (final.path / "towers" / "saved_model.pb").exists()
    assert identity(final) != identity(trained)


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


def test_final_fit_needs_its_reference(tmp_path):
    with pytest.raises(RunError, match="reference"):
        run(tmp_path / "final", walks(), PARAMS.model_copy(update={"final": True}))


def test_no_training_events_are_refused(tmp_path):
    dataset = walks()
    with pytest.raises(DataError, match="no training event"):
        run(tmp_path / "empty", with_split(dataset, np.full(len(dataset.events), 2)))


def test_no_validation_events_are_refused(tmp_path):
    dataset = walks()
    with pytest.raises(DataError, match="no validation event"):
        run(tmp_path / "empty", with_split(dataset, np.zeros(len(dataset.events))))


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


def test_validation_sees_the_training_events_only():
    validation = validation_of(walks(), SPEC, PARAMS)
    events = walks().events.candidate.reshape(QUERIES, LENGTH)
    assert (validation.queries["history"] == events[:, 7:3:-1] + 2).all()
    assert (validation.relevant.rows == events[:, 8]).all()
    assert (validation.excluded.rows.reshape(QUERIES, -1) == events[:, :8]).all()
    device = walks().events.context["device"].reshape(QUERIES, LENGTH)
    assert (validation.queries["device"][:, 0] == device[:, 8]).all()


def test_held_out_queries_keep_their_history():
    dataset = walks()
    split = dataset.events.split.reshape(QUERIES, LENGTH).copy()
    split[0] = [3] * 8 + [1, 1]
    validation = validation_of(with_split(dataset, split.ravel()), SPEC, PARAMS)
    events = dataset.events.candidate.reshape(QUERIES, LENGTH)
    assert validation.queries["history"][0].tolist() == (events[0, 7:3:-1] + 2).tolist()
    assert sorted(validation.relevant.entries(0, 1)) == sorted(events[0, 8:])
    assert validation.excluded.entries(0, 1).tolist() == events[0, :8].tolist()


def test_seen_targets_count_only_without_remove_seen():
    dataset = walks()
    candidate = dataset.events.candidate.copy()
    candidate[LENGTH - 2] = candidate[0]  # the first query's validation event repeats a training event
    dataset = replace(dataset, events=replace(dataset.events, candidate=candidate))
    assert len(validation_of(dataset, SPEC, PARAMS).relevant) == QUERIES - 1
    repeated = validation_of(dataset, SPEC, PARAMS.model_copy(update={"remove_seen": False}))
    assert len(repeated.relevant) == QUERIES
    assert len(repeated.excluded.rows) == 0


def test_validation_takes_a_sample_of_many_queries():
    training = PARAMS.training.model_copy(update={"validation_queries": 7})
    validation = validation_of(walks(), SPEC, PARAMS.model_copy(update={"training": training}))
    assert len(validation.relevant) == len(validation.queries["history"]) == 7


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
