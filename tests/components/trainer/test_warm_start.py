"""Trainings that start from an earlier model of the walks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.base import ExecutionContext
from components.trainer import Trainer, TrainerParams
from components.trainer.base import Artifacts, open_start
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.model import TrainingReport
from dataplane.dataset.sequences import Dataset, write_dataset
from dataplane.errors import RefusedError
from models.spec.config import ModelConfig
from models.spec.warm_start_config import WarmStart
from tests.components.trainer.walks import ITEMS, LENGTH, PARAMS, QUERIES, SPEC, walks, weights

DEVICES = ["phone", "tablet"]
IDS = [f"c{row:02}" for row in range(ITEMS)]


def written(
    path: Path, dataset: Dataset, ids: list[str], tokens: np.ndarray
) -> tuple[TransformedExamples, TransformGraph]:
    """The walks with a vocabulary of candidate ids in the given order."""
    examples, graph = TransformedExamples(path / "examples"), TransformGraph(path / "graph")
    columns = {**dataset.candidates.columns, "candidate_id": tokens.astype(np.int32)[:, None]}
    write_dataset(examples, replace(dataset, candidates=replace(dataset.candidates, columns=columns)))
    column = SPEC.candidate["candidate_id"].model_copy(update={"vocabulary_size": len(ids) + 2})
    spec = SPEC.model_copy(update={"candidate": {"candidate_id": column}})
    graph.write_json("spec.json", spec.model_dump(mode="json"))
    (graph.path / "vocabularies").mkdir()
    for name, values in {"candidate.candidate_id": ids, "context.device": DEVICES}.items():
        pq.write_table(pa.table({"value": pa.array(values)}), graph.path / "vocabularies" / f"{name}.parquet")
    return examples, graph


def held_out_before(dataset: Dataset) -> Dataset:
    """The data a day earlier: without the last event of each query."""
    keep = np.tile(np.arange(LENGTH) < LENGTH - 1, QUERIES)
    split = np.tile([0] * (LENGTH - 3) + [1, 2, 9], QUERIES)
    events = dataset.events
    earlier = replace(
        events,
        offsets=np.arange(QUERIES + 1) * (LENGTH - 1),
        candidate=events.candidate[keep],
        split=split[keep].astype(np.int8),
        context={"device": events.context["device"][keep]},
    )
    return replace(dataset, events=earlier)


def params(**settings: object) -> TrainerParams:
    warm = WarmStart.model_validate({"base": "published", **settings})
    return PARAMS.model_copy(update={"training": PARAMS.training.model_copy(update={"warm_start": warm})})


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> tuple[Model, TransformGraph, TransformedExamples]:
    """A model of the day before, which did not know the last two candidates."""
    path = tmp_path_factory.mktemp("base")
    tokens = np.where(np.arange(ITEMS) < ITEMS - 2, np.arange(2, ITEMS + 2), 1)
    examples, graph = written(path, held_out_before(walks()), IDS[:-2], tokens)
    model = Model(path / "model")
    Trainer(PARAMS).execute(Trainer.Inputs(examples, graph), Trainer.Outputs(model), ExecutionContext())
    return model, graph, examples


ORDER = np.random.default_rng(5).permutation(ITEMS)
"""Position of each candidate in the next day's vocabulary."""


@pytest.fixture(scope="module")
def day(tmp_path_factory) -> tuple[TransformedExamples, TransformGraph]:
    """The next day, whose vocabulary has all candidates in another order."""
    ids = [IDS[row] for row in np.argsort(ORDER)]
    return written(tmp_path_factory.mktemp("day"), walks(), ids, ORDER + 2)


def inputs_of(day, base=None, reference=None) -> Trainer.Inputs:
    model, graph, examples = base or (None, None, None)
    return Trainer.Inputs(
        transformed_examples=day[0],
        transform_graph=day[1],
        reference=reference,
        base=model,
        base_graph=graph,
        base_examples=examples,
    )


def train(path, day, params, base=None) -> Model:
    model = Model(path / "model")
    inputs = inputs_of(day, base)
    Trainer(params).execute(inputs, Trainer.Outputs(model), ExecutionContext())
    return model


def table(model: Model) -> np.ndarray:
    return weights(model)["candidate_tower/items/embeddings/.ATTRIBUTES/VARIABLE_VALUE"]


@pytest.fixture(scope="module")
def warm(tmp_path_factory, base, day) -> Model:
    return train(tmp_path_factory.mktemp("warm"), day, params(), base)


def test_the_first_validation_is_that_of_the_carried_weights(warm, base):
    report, earlier = TrainingReport.read(warm), TrainingReport.read(base[0])
    start = report.curve[0]
    assert start["step"] == 0
    assert "loss" not in start
    assert start["recall@10"] > 0.8 * earlier.validation["recall@10"], "tables are aligned, not shuffled"
    assert report.warm_start is not None
    ids = report.warm_start.columns["candidate.candidate_id"]
    assert (ids.carried, ids.new, ids.gone) == (ITEMS - 2 + 2, 2, 0)
    assert report.warm_start.optimizer
    assert report.warm_start.trainings == 1
    assert report.notes[0].startswith("warm start, number 1 since a cold one: 30 rows of candidate ids carried, 2 new")


def test_rows_and_moments_are_carried_to_where_their_ids_are_now(tmp_path, base, day):
    still = params(learning_rate=1e-12, max_epochs=1)
    model = train(tmp_path, day, still, base)
    before, after = table(base[0]), table(model)
    np.testing.assert_allclose(after[ORDER[: ITEMS - 2] + 2], before[2:], atol=1e-6)
    np.testing.assert_allclose(after[ORDER[ITEMS - 2 :] + 2], np.tile(before[1], (2, 1)), atol=1e-6)
    of_base = [
        tf.train.load_checkpoint(tf.train.latest_checkpoint(str(it.path / "checkpoints"))) for it in (base[0], model)
    ]
    steps = [int(it.get_tensor("optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE")) for it in of_base]
    assert steps[1] >= steps[0] > 0


def test_the_same_start_gives_the_same_bytes(tmp_path, warm, base, day):
    again = train(tmp_path, day, params(), base)
    first, second = weights(warm), weights(again)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_a_training_without_a_base_is_cold_and_says_so(tmp_path, day):
    report = TrainingReport.read(train(tmp_path, day, params()))
    assert report.curve[0]["step"] > 0
    assert report.notes[0] == "cold start, from random weights: no model had been published when the run began"


def test_every_nth_training_is_cold(warm, base, day):
    for every, trainings in ((2, 0), (3, 2)):
        start, told = open_start(Artifacts(warm, base[1], base[2]), day, params(cold_every=every))
        assert told is not None
        assert (told.trainings, start is None, told.cold) == (
            trainings,
            trainings == 0,
            "" if trainings else "warm_start.cold_every: 2",
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"embedding_dim": 8}, "its model.embedding_dim differs: 16 there, 8 here"),
        ({"score": "dot"}, "its model.score differs: cosine there, dot here"),
        (
            {"history_encoder": {"type": "attention"}},
            "its model.history_encoder differs: type: recency there, attention here",
        ),
    ],
)
def test_a_base_of_other_towers_is_refused(base, day, change, reason):
    model = ModelConfig.model_validate({"embedding_dim": 16, "temperature": 0.1, **change})
    with pytest.raises(RefusedError, match=reason):
        open_start(Artifacts(*base), day, params().model_copy(update={"model": model}))


def test_other_towers_can_be_trained_cold_instead(base, day):
    model = ModelConfig(embedding_dim=8, temperature=0.1)
    start, told = open_start(Artifacts(*base), day, params(on_mismatch="cold").model_copy(update={"model": model}))
    assert start is None
    assert told is not None
    assert told.cold == "its model.embedding_dim differs: 16 there, 8 here"


def test_dropout_and_temperature_may_change(base, day):
    other = PARAMS.model.model_copy(update={"id_dropout": 0.5, "temperature": 0.2})
    start, _ = open_start(Artifacts(*base), day, params().model_copy(update={"model": other}))
    assert start is not None
    assert start.temperature == 0.2


def test_a_base_that_was_trained_on_the_held_out_events_is_refused(tmp_path, base, day):
    dataset = walks()
    all_train = replace(dataset, events=replace(dataset.events, split=np.zeros_like(dataset.events.split)))
    knowing, _ = written(tmp_path, all_train, IDS, np.arange(2, ITEMS + 2))
    with pytest.raises(RefusedError, match=r"it was trained on \d+\.\d% of the events that this run holds out"):
        open_start(Artifacts(base[0], base[1], knowing), day, params())
    start, _ = open_start(Artifacts(base[0], base[1], knowing), day, params().model_copy(update={"final": True}))
    assert start is not None, "a final fit holds nothing out"


def test_a_base_without_its_checkpoint_is_refused(tmp_path, base, day):
    empty = Model(tmp_path / "empty")
    empty.path.mkdir()
    (empty.path / "towers").symlink_to(base[0].path / "towers")
    (empty.path / "training.json").write_text((base[0].path / "training.json").read_text())
    with pytest.raises(RefusedError, match="there is no checkpoint in"):
        open_start(Artifacts(empty, *base[1:]), day, params())


@pytest.mark.parametrize("settings", [{"towers": "reset"}, {"optimizer": "reset"}])
def test_what_is_reset_starts_anew(tmp_path, base, day, settings):
    model = train(tmp_path, day, params(learning_rate=1e-12, max_epochs=1, **settings), base)
    report = TrainingReport.read(model)
    assert report.warm_start is not None
    assert not report.warm_start.optimizer
    layers = "query_tower/projection/_output/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    carried = np.allclose(weights(model)[layers], weights(base[0])[layers], atol=1e-6)
    assert carried == (settings == {"optimizer": "reset"})
    np.testing.assert_allclose(table(model)[ORDER[: ITEMS - 2] + 2], table(base[0])[2:], atol=1e-6)


def test_a_final_fit_starts_from_the_base_as_the_model_it_repeats_did(tmp_path, warm, base, day):
    model = Model(tmp_path / "model")
    final = params().model_copy(update={"final": True})
    Trainer(final).execute(inputs_of(day, base, warm), Trainer.Outputs(model), ExecutionContext())
    report = TrainingReport.read(model)
    assert report.warm_start is not None
    assert report.warm_start.trainings == 1
    assert json.loads((model.path / "training.json").read_text())["warm_start"]["columns"]


def test_a_closed_form_starts_from_the_vectors_of_the_base(tmp_path, base, day):
    closed = {"training": PARAMS.training.model_copy(update={"method": "closed_form"}), "model": ModelConfig()}
    warm = params().training.model_copy(update={"method": "closed_form"})
    earlier = train(tmp_path / "earlier", (base[2], base[1]), PARAMS.model_copy(update=closed))
    cold = train(tmp_path / "cold", day, PARAMS.model_copy(update=closed))
    model = train(
        tmp_path / "warm", day, PARAMS.model_copy(update=closed | {"training": warm}), (earlier, base[1], base[2])
    )
    report, own = TrainingReport.read(model), TrainingReport.read(cold)
    assert report.recipe == "closed_form"
    assert report.notes[0].startswith("warm start, number 1")
    assert report.embedding_dim == TrainingReport.read(earlier).embedding_dim
    assert report.validation["recall@10"] == pytest.approx(own.validation["recall@10"], abs=0.03)
