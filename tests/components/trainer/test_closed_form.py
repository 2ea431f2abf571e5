"""A Trainer without training steps: the towers in closed form."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import TrainerParams
from components.trainer.data import validation_of
from dataplane.artifacts import Model
from models.ranking.baselines import PopularityScorer
from models.ranking.ranking import rank_candidates
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import CANDIDATE_ID, HISTORY
from tests.components.trainer.tastes import ITEMS, PARAMS, SPEC, run, tastes, towers_of


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
    assert {tried["recipe"] for tried in report["tried"]} == {"towers", "bag", "closed_form", "blend"}
    assert report["validation"]["recall@10"] >= max(tried["recall@10"] for tried in report["tried"])
    assert report["recipe"] in report["notes"][0].partition(":")[0]


def test_what_is_better_replaces_the_trained_towers(by_auto: Model) -> None:
    towers, report = tf.saved_model.load(str(by_auto.path / "towers")), by_auto.read_json("training.json")
    assert report["recipe"] == "blend", "few steps are not enough for the others"
    assert [tried["steps"] > 0 for tried in report["tried"] if "steps" in tried] == [True]
    facts, tokens = report["blend"], {CANDIDATE_ID: tf.range(ITEMS + 2)[:, None]}
    form = {"embedding_dim": facts["closed_form_dim"], "exponent": report["exponent"]}
    wanted = towers_of(tastes(), ["train", "validation"], form)[1](tokens).numpy() / facts["scale"]
    assert towers.embed_candidate(tokens).numpy()[:, : wanted.shape[1]] == pytest.approx(wanted, abs=1e-6)


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
