"""A Trainer without training steps: the towers in closed form."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components.base import ExecutionContext
from components.trainer import Trainer, TrainerParams
from components.trainer.data import event_data, validation_of
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import Dataset, Entities, Events, Split, write_dataset
from models.ragged import offsets_of
from models.ranking.baselines import PopularityScorer
from models.ranking.ranking import rank_candidates
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import CANDIDATE_ID, HISTORY, EncodedColumn, EncodedSpec, FeatureSpec
from models.towers.towers import CandidateTower, QueryTower
from models.training.closed_form import closed_form_towers, spectrum_of
from models.training.spectrum import Form

ITEMS, QUERIES, TASTES = 120, 400, 6
SPEC = EncodedSpec(
    features=FeatureSpec(),
    query={},
    context={},
    candidate={CANDIDATE_ID: EncodedColumn(feature=CANDIDATE_ID, kind="tokens", width=1, vocabulary_size=ITEMS + 2)},
)
PARAMS = TrainerParams(training=TrainingConfig(method="closed_form"))


def tastes() -> Dataset:
    """Queries like every sixth item; a quarter of their events is for validation. The last item is new."""
    random = np.random.default_rng(0)
    alike = np.arange(ITEMS) % TASTES == random.integers(TASTES, size=QUERIES)[:, None]
    chosen = random.random((QUERIES, ITEMS)) < np.where(alike, 0.6, 0.02)
    chosen[:, -1] = False
    candidate = np.nonzero(chosen)[1].astype(np.int32)
    split = (random.random(len(candidate)) < 0.25).astype(np.int8)
    tokens = np.arange(2, ITEMS + 2, dtype=np.int32)[:, None]
    tokens[-1] = 1
    return Dataset(
        events=Events(offsets=offsets_of(chosen.sum(axis=1)), candidate=candidate, split=split, context={}),
        queries=Entities(pa.array([f"q{row}" for row in range(QUERIES)]), {}),
        candidates=Entities(pa.array([f"c{row:03}" for row in range(ITEMS)]), {CANDIDATE_ID: tokens}),
        train_count=np.bincount(candidate[split == 0], minlength=ITEMS),
        metadata=DatasetMetadata(ordered=False),
    )


def run(
    path: Path, params: TrainerParams = PARAMS, reference: Model | None = None, dataset: Dataset | None = None
) -> Model:
    examples, graph = TransformedExamples(path / "examples"), TransformGraph(path / "graph")
    write_dataset(examples, dataset or tastes())
    graph.write_json("spec.json", SPEC.model_dump(mode="json"))
    model = Model(path / "model")
    inputs = Trainer.Inputs(examples, graph, reference)
    Trainer(params).execute(inputs, Trainer.Outputs(model), ExecutionContext())
    return model


def towers_of(dataset: Dataset, splits: list[Split], report: Mapping[str, Any]) -> tuple[QueryTower, CandidateTower]:
    """The towers of the reported form, made of the events of some splits."""
    form = Form(report["embedding_dim"], report["exponent"])
    data = event_data(dataset.events.select(splits), dataset, SPEC, use_weights=False)
    found = spectrum_of(data, items=ITEMS + 2, rank=form.width, seed=PARAMS.seed)
    tokens = dataset.candidates.columns[CANDIDATE_ID][:, 0]
    return closed_form_towers(SPEC, found, form, candidate_tokens=tokens, ordered=False)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return run(tmp_path_factory.mktemp("closed"))


def test_the_report_has_the_metrics_of_towers_without_the_validation_events_and_they_beat_popularity(
    fitted: Model,
) -> None:
    dataset, report = tastes(), fitted.read_json("training.json")
    task = validation_of(dataset, SPEC, PARAMS)
    metrics = task.metrics(*towers_of(dataset, ["train"], report))
    assert metrics == pytest.approx(report["validation"], abs=1e-6)
    popular = rank_candidates(
        PopularityScorer(dataset.train_count), relevant=task.relevant, excluded=task.excluded, depth=10
    )
    assert metrics["recall@10"] > 2 * np.mean(popular.ranks < 10)


def test_exported_towers_know_the_validation_events(fitted: Model) -> None:
    exported, report = tf.saved_model.load(str(fitted.path / "towers")), fitted.read_json("training.json")
    dataset, tokens = tastes(), {CANDIDATE_ID: tf.range(ITEMS + 2)[:, None]}
    wanted = towers_of(dataset, ["train", "validation"], report)[1](tokens).numpy()
    assert exported.embed_candidate(tokens).numpy() == pytest.approx(wanted, abs=1e-6)
    assert report["refitted"]
    assert report["events"] == len(dataset.events)


def test_the_report_names_the_method(fitted: Model) -> None:
    report = fitted.read_json("training.json")
    assert (report["loss"], report["steps"], report["batch_size"]) == ("closed_form", 0, report["events"])
    assert report["embedding_dim"] == 64, "the narrowest, as the data are small"
    assert list((fitted.path / "checkpoints").glob("ckpt-*.index"))


def test_a_query_without_history_is_answered_by_popularity(fitted: Model) -> None:
    towers, dataset = tf.saved_model.load(str(fitted.path / "towers")), tastes()
    length = SPEC.features.history.max_length  # type: ignore[union-attr]
    query = towers.embed_query({HISTORY: tf.zeros([1, length], tf.int32)}).numpy()
    tokens = {CANDIDATE_ID: tf.constant(dataset.candidates.columns[CANDIDATE_ID])}
    scores = (towers.embed_candidate(tokens).numpy() @ query[0])[:-1]
    known = np.bincount(dataset.events.candidate, minlength=ITEMS)[:-1]
    assert np.corrcoef(scores, known)[0, 1] > 0.95
    assert not towers.embed_candidate(tokens).numpy()[-1].any(), "a new candidate is neither near nor far"


@pytest.fixture(scope="module")
def by_auto(tmp_path_factory: pytest.TempPathFactory) -> Model:
    training = TrainingConfig(batch_size=512, max_epochs=2)
    return run(tmp_path_factory.mktemp("auto"), TrainerParams(training=training))


def test_auto_compares_every_recipe_and_takes_the_best_on_validation(by_auto: Model) -> None:
    report = by_auto.read_json("training.json")
    assert {tried["recipe"] for tried in report["tried"]} == {"towers", "bag", "closed_form"}
    assert report["validation"]["recall@10"] >= max(tried["recall@10"] for tried in report["tried"])
    assert report["recipe"] in report["notes"][0].partition(":")[0]


def test_a_closed_form_that_is_better_replaces_the_trained_towers(by_auto: Model) -> None:
    towers, report = tf.saved_model.load(str(by_auto.path / "towers")), by_auto.read_json("training.json")
    assert report["recipe"] == "closed_form", "few steps are not enough for the others"
    assert [tried["steps"] > 0 for tried in report["tried"] if "steps" in tried] == [True]
    tokens = {CANDIDATE_ID: tf.range(ITEMS + 2)[:, None]}
    wanted = towers_of(tastes(), ["train", "validation"], report)[1](tokens).numpy()
    assert towers.embed_candidate(tokens).numpy() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("width", [7, 300])
def test_a_named_width_is_kept(tmp_path: Path, width: int) -> None:
    model = run(tmp_path, PARAMS.model_copy(update={"model": ModelConfig(embedding_dim=width)}))
    report = model.read_json("training.json")
    assert {tried["embedding_dim"] for tried in report["tried"]} == {width} == {report["embedding_dim"]}
    assert [tried["exponent"] for tried in report["tried"]] == [0, 0.5, 1]


def test_a_final_fit_repeats_the_width_on_all_events(fitted: Model, tmp_path: Path) -> None:
    dataset = tastes()
    everything = replace(dataset, events=replace(dataset.events, split=np.zeros_like(dataset.events.split)))
    final = run(tmp_path, PARAMS.model_copy(update={"final": True}), reference=fitted, dataset=everything)
    reports = [model.read_json("training.json") for model in (final, fitted)]
    for name in ("embedding_dim", "exponent"):
        assert reports[0][name] == reports[1][name]
    assert reports[0]["events"] == len(dataset.events)
    assert reports[0]["validation"] == {}
