"""Every reference configuration builds and learns, and has the property that defines its system."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.negatives.negatives import build_sampler
from models.preprocessing.feature_preprocessing import FeatureStatistics, feature_encoder
from models.spec.features import EncodedSpec, FeatureSpec
from models.spec.trials import temperatures_to_try
from models.towers.encoders import ColumnEncoder
from models.training.batches import StepBatches, TrainingData
from models.training.loop import fit_steps
from models.training.optimizers import build_optimizer
from models.training.run import TrainingPaths
from models.training.two_tower import TwoTower, resolve_auto
from models.training.validation import embed
from models.training.windows import build_batches
from pipeline.config.config import PipelineConfig, load_config
from tests.models.small_spec import random_columns
from tests.paths import PROJECT

FILES = sorted((PROJECT / "tfx_config" / "systems").glob("*.yaml"))
ITEMS, QUERIES, LENGTH = 24, 40, 8
WORDS = ["harbour", "winter", "crimson", "lantern", "valley", "thunder", "orchard", "silent", "compass", "meadow"]
TITLES = [f"{first} {second}" for i, first in enumerate(WORDS) for second in WORDS[i + 1 :]][:ITEMS]


def system(name: str) -> PipelineConfig:
    return load_config(next(file for file in FILES if file.stem == name))


def encoded(features: FeatureSpec, directory: Path) -> EncodedSpec:
    """Encodes the features; all vocabularies consist of the words of the titles."""
    statistics = FeatureStatistics(vocabulary=WORDS, std=1.0, boundaries=(20.0, 40.0))
    ids = FeatureStatistics(vocabulary=[f"c{item}" for item in range(ITEMS)])
    sides = {
        side: {
            column: encoded
            for name, feature in features.of(side).items()
            for column, encoded in feature_encoder(
                name, feature, ids if name == "candidate_id" else statistics, directory / name
            ).columns.items()
        }
        for side in ("query", "context", "candidate")
    }
    return EncodedSpec(features=features, **sides)


def world(spec: EncodedSpec) -> TrainingData:
    """Every query interacts with candidates of increasing rows; the last candidate has no event."""
    random = np.random.default_rng(0)
    events = np.sort([random.permutation(ITEMS - 1)[:LENGTH] for _ in range(QUERIES)], axis=1)
    candidates = random_columns(spec.candidate, ITEMS)
    candidates["candidate_id"] = np.arange(2, ITEMS + 2, dtype=np.int32)[:, None]
    return TrainingData(
        offsets=np.arange(0, QUERIES * LENGTH + 1, LENGTH),
        candidate=events.ravel().astype(np.int32),
        weight=None,
        context=random_columns(spec.context, QUERIES * LENGTH),
        queries=random_columns(spec.query, QUERIES),
        candidates=candidates,
        ordered=True,
        history_length=None if spec.features.history is None else spec.features.history.max_length,
        age=random.uniform(0, 100, QUERIES * LENGTH).astype(np.float32),
    )


def build(config: PipelineConfig, directory: Path) -> tuple[TwoTower, StepBatches, TrainingData]:
    spec = encoded(config.features, directory)
    data = world(spec)
    counts = np.bincount(data.candidate, minlength=ITEMS)
    tf.keras.utils.set_random_seed(1)
    training = resolve_auto(config.model, config.training, events=len(data), candidates=ITEMS)
    model = TwoTower(
        spec,
        config.model,
        training,
        temperature=temperatures_to_try(config.model, training.loss.type)[0],
        ordered=True,
        catalogue=data.candidates,
        train_count=counts,
        seed=1,
    )
    model.compile(optimizer=build_optimizer(training, steps=1))
    sampler = build_sampler(training.negatives, counts, seed=1)
    return (
        model,
        build_batches(
            data, training.model_copy(update={"batch_size": 32}), seed=1, sampler=sampler, negatives_in_batch=False
        ),
        data,
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_system_builds_and_learns(file, tmp_path):
    config = load_config(file)
    assert config.name == file.stem
    model, batches, _ = build(config, tmp_path)
    assert model.loss_name == config.training.loss.type
    fit = fit_steps(
        model, batches, steps=6 * batches.steps_per_epoch, paths=TrainingPaths(tmp_path, tmp_path / "unfinished")
    )
    losses = [entry["loss"] for entry in fit.curve]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_siamese_towers_share_their_variables(tmp_path):
    model, _, _ = build(system("siamese"), tmp_path)
    query, candidate = ({id(v) for v in t.trainable_variables} for t in (model.query_tower, model.candidate_tower))
    assert candidate < query
    own = [v for v in model.query_tower.trainable_variables if id(v) not in candidate]
    assert [v.shape[0] for v in own] == [50], "only the weights of positions in the history, which a candidate has not"


def test_dssm_embeds_a_misspelt_title_near_the_right_one_by_trigrams(tmp_path):
    title = system("dssm").features.candidate["title"]
    encoder = feature_encoder("title", title, FeatureStatistics(vocabulary=WORDS), tmp_path / "title")
    tf.keras.utils.set_random_seed(1)

    def found(column: str) -> float:
        """Share of misspelt titles whose nearest title is their own."""
        layer, place = (
            ColumnEncoder(encoder.columns[column], widest=128, name=column),
            list(encoder.columns).index(column),
        )
        old, new = (tf.math.l2_normalize(layer(encoder(tf.constant(t))[place]), axis=1) for t in (TITLES, misspelt))
        return float(np.mean(np.argmax(new @ tf.transpose(old), axis=1) == np.arange(ITEMS)))

    misspelt = [" ".join(word[:-1] + "x" for word in title.split()) for title in TITLES]
    assert found("title_trigrams") > 0.9
    assert found("title") < 0.2, "no word of theirs is known"


def test_youtube_labels_are_later_than_the_whole_history(tmp_path):
    _, batches, data = build(system("youtube_dnn"), tmp_path)
    for step in range(batches.steps_per_epoch):
        batch = batches.batch(step)
        labels = data.candidates["candidate_id"][batch["label"]]
        assert (batch["query"]["history"] < labels).all(), "later candidates are higher"


def test_youtube_users_give_equally_many_examples_with_their_age(tmp_path):
    config = load_config(next(f for f in FILES if f.stem == "youtube_dnn"), ["training.examples.n=3"])
    model, batches, data = build(config, tmp_path)
    batch = batches.batch(0)
    assert batches.steps_per_epoch == 3 * QUERIES // 32
    assert data.age is not None
    assert np.isin(batch["query"]["example_age"], data.age).all()
    older = batch["query"] | {"example_age": batch["query"]["example_age"] + 1000}
    serving = {name: values for name, values in batch["query"].items() if name != "example_age"}
    assert not np.allclose(model.query_tower(older), model.query_tower(batch["query"]))
    np.testing.assert_allclose(
        model.query_tower(serving), model.query_tower(serving | {"example_age": np.zeros((32, 1), np.float32)})
    )


def test_sasrec_learns_from_all_positions_and_none_sees_its_label_or_later_events(tmp_path):
    model, batches, data = build(system("sasrec_two_tower"), tmp_path)
    tokens = data.candidates["candidate_id"][:, 0]
    batch = batches.batch(0)
    assert len(batch["label"]) > 3 * len(batch["query"]["history"]), "many labels a sequence"
    embedded = model.query_tower(batch["query"], None, batch["positions"]).numpy()
    width = batch["query"]["history"].shape[1]
    for position in range(0, len(embedded), 5):
        label, window = batch["label"][position], batch["window"][position]
        seen = [token for token in batch["query"]["history"][window] if 0 < token < tokens[label]]
        history = np.array([seen + [0] * (width - len(seen))], np.int32)
        served = model.query_tower({"history": tf.constant(history)})
        np.testing.assert_allclose(served[0], embedded[position], atol=1e-5)


def test_dat_vectors_approach_the_embeddings_of_the_other_side(tmp_path):
    config = system("dat")
    model, batches, _ = build(config, tmp_path)
    assert config.model.augmentation.alignment is not None

    def distance() -> float:
        batch = batches.batch(0)
        query, candidate = model.query_tower, model.candidate_tower
        gaps = (
            query.augmented(batch["query"]) - candidate(batch["candidate"]),
            candidate.augmented(batch["candidate"]) - query(batch["query"]),
        )
        return float(sum(tf.reduce_mean(tf.reduce_sum(gap**2, axis=1)) for gap in gaps))

    before = distance()
    fit_steps(model, batches, steps=60, paths=TrainingPaths(tmp_path, tmp_path / "unfinished"))
    assert distance() < before
    batch = batches.batch(0)
    tables = [tower._augmented.embeddings for tower in (model.query_tower, model.candidate_tower)]
    embedded = model.query_tower(batch["query"]), model.candidate_tower(batch["candidate"])
    for table in tables:
        table.assign(tf.reverse(table, [0]))
    changed = model.query_tower(batch["query"]), model.candidate_tower(batch["candidate"])
    for old, new in zip(embedded, changed, strict=True):
        assert not np.allclose(old, new), "the towers read their vectors"


@pytest.mark.parametrize("name", ["hopsworks_weighted", "shaped"])
def test_a_purchase_weighs_more_than_a_view(name, tmp_path):
    config = system(name)
    weights = config.training.event_weights.weights
    assert weights["view"] < weights["cart"] < weights["purchase"]
    model, batches, _ = build(config, tmp_path)
    batch, half = batches.batch(0), np.arange(32) < 16
    only = [float(model.compute_loss(batch | {"weight": part.astype(np.float32)})) for part in (half, ~half)]
    shares = np.where(half, weights["view"], weights["purchase"]).astype(np.float32)
    both = float(model.compute_loss(batch | {"weight": shares}))
    assert both == pytest.approx(np.average(only, weights=[weights["view"], weights["purchase"]]), rel=1e-4)


def test_yi2019_estimates_frequencies_from_its_batches(tmp_path):
    config = system("yi2019_sampling_corrected")
    frequency = config.training.frequency.model_copy(update={"alpha": 0.1})
    config = config.model_copy(update={"training": config.training.model_copy(update={"frequency": frequency})})
    model, batches, _ = build(config, tmp_path)
    assert model.estimator is not None
    fit_steps(model, batches, steps=100, paths=TrainingPaths(tmp_path, tmp_path / "unfinished"))
    shares = [np.isin(np.arange(ITEMS), batches.batch(step)["label"]) for step in range(100)]
    estimated = model.estimator.expected(tf.range(ITEMS)).numpy()
    np.testing.assert_allclose(estimated[:-1], np.mean(shares, axis=0)[:-1], rtol=0.5)
    assert estimated[-1] < 0.1, "nobody chose it"


@pytest.mark.parametrize("negatives", ["mixed", "in_batch"])
def test_mixed_negatives_include_candidates_without_events(negatives, tmp_path):
    config = system("mixed_negatives")
    assert config.training.negatives.type == "mixed"
    if negatives == "in_batch":
        config = load_config(next(f for f in FILES if f.stem == config.name), ["training.negatives=in_batch"])
    model, batches, _ = build(config, tmp_path)
    table = next(v for v in model.candidate_tower.trainable_variables if v.shape[0] == ITEMS + 2)
    before = table.numpy()
    fit_steps(model, batches, steps=2, paths=TrainingPaths(tmp_path, tmp_path / "unfinished"))
    moved = np.abs(table.numpy() - before).sum(axis=1)
    assert (moved[-1] > 0) == (negatives == "mixed")


def test_gramian_scores_fit_the_target_and_others_stay_low(tmp_path):
    model, batches, data = build(system("gramian"), tmp_path)
    fit_steps(model, batches, steps=150, paths=TrainingPaths(tmp_path, tmp_path / "unfinished"))
    batch = batches.batch(0)
    scores = embed(model.query_tower, batch["query"]) @ embed(model.candidate_tower, data.candidates).T
    positive = np.mean(scores[np.arange(len(scores)), batch["label"]])
    assert positive > 2 * np.abs(scores).mean()


def test_gcp_towers_cross_their_inputs(tmp_path):
    model, _, _ = build(system("gcp_two_tower"), tmp_path)
    for tower in (model.query_tower, model.candidate_tower):
        assert sum("cross" in v.name and "kernel" in v.name for v in tower.trainable_variables) == 2


def test_simplex_does_not_push_negatives_below_its_margin(tmp_path):
    config = system("simplex")
    assert config.model.score == "cosine"
    config = load_config(next(f for f in FILES if f.stem == "simplex"), ["training.loss.margin=0.999"])
    model, batches, _ = build(config, tmp_path)
    batch = batches.batch(0)
    scores = np.sum(model.query_tower(batch["query"]) * model.candidate_tower(batch["candidate"]), axis=1)
    assert float(model.compute_loss(batch)) == pytest.approx(np.mean(1 - scores), rel=1e-4)
