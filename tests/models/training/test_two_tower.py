from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.negatives.negatives import build_sampler
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.trials import Temperature
from models.training.batches import Batches, StepBatches, TrainingData
from models.training.loop import fit_steps
from models.training.optimizers import build_optimizer
from models.training.run import TrainingPaths
from models.training.two_tower import TwoTower, resolve_auto
from models.training.validation import embed
from models.training.windows import build_batches
from tests.models.small_spec import small_spec

ITEMS = 20


def chains(queries: int = 60, length: int = 8) -> TrainingData:
    """Queries walk from an item to the next, so the history determines the next event."""
    starts = np.random.default_rng(0).integers(0, ITEMS, queries)
    events = (starts[:, None] + np.arange(length)) % ITEMS
    return TrainingData(
        offsets=np.arange(0, queries * length + 1, length),
        candidate=events.ravel().astype(np.int32),
        weight=None,
        context={},
        queries={},
        candidates={"candidate_id": np.arange(2, ITEMS + 2, dtype=np.int32)[:, None]},
        ordered=True,
        history_length=4,
    )


def paths_in(directory: Path) -> TrainingPaths:
    return TrainingPaths(directory, directory / "unfinished")


def two_tower(
    data: TrainingData,
    loss: str,
    seed: int = 1,
    encoder: str | dict = "recency",
    dropout: float = 0.2,
    temperature: Temperature = 0.1,
    **settings: Any,
) -> TwoTower:
    tf.keras.utils.set_random_seed(seed)
    training = TrainingConfig.model_validate({"learning_rate": 0.02, "loss": loss, **settings})
    model = TwoTower(
        small_spec(items=ITEMS, features=False),
        ModelConfig.model_validate(
            {
                "embedding_dim": 16,
                "history_encoder": encoder,
                "query_tower": {"layers": [128], "dropout": dropout},
                "candidate_tower": {"dropout": dropout},
                "id_dropout": dropout / 4,
            }
        ),
        training,
        temperature=temperature,
        ordered=True,
        catalogue=data.candidates,
        train_count=np.bincount(data.candidate, minlength=ITEMS),
        seed=seed,
    )
    model.compile(optimizer=build_optimizer(training, steps=1))
    return model


def batches_of(
    data: TrainingData,
    seed: int = 1,
    encoder: str | dict = "",
    dropout: float = 0,
    temperature: Temperature = 0.1,
    **settings: Any,
) -> StepBatches:
    training = TrainingConfig.model_validate({"batch_size": 64, **settings})
    sampler = build_sampler(training.negatives, np.bincount(data.candidate, minlength=ITEMS), seed=seed)
    return build_batches(data, training, seed=seed, sampler=sampler, negatives_in_batch=False)


def scores_of_last(model: TwoTower, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    """The last event of each query, and the scores of all candidates given the earlier events."""
    ends = data.offsets[1:] - 1
    histories = data.history(np.arange(len(ends)), ends)
    return ends, embed(model.query_tower, {"history": histories}) @ embed(model.candidate_tower, data.candidates).T


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "full_softmax"},
        {"loss": "in_batch_softmax"},
        {"loss": "in_batch_softmax", "negatives": {"type": "mixed", "n": 32}, "frequency": "streaming"},
        {"loss": "sampled_softmax", "negatives": {"type": "popularity", "n": 64}},
        {"loss": "in_batch_softmax", "negatives": {"type": "cross_batch", "n": 128, "warm_up": 5}},
        {"loss": "bpr", "negatives": {"type": "mined", "n": 2, "warm_up": 5, "refresh": 5}},
        {"loss": "full_softmax", "encoder": "self_attention", "examples": "sequences"},
        {"loss": "full_softmax", "encoder": "gru", "examples": "sequences"},
    ],
    ids=["full", "in batch", "mixed", "popularity", "cross batch", "mined", "self-attention", "gru"],
)
def test_training_learns_the_next_event(settings, tmp_path):
    data = chains()
    model = two_tower(data, **settings)
    fit = fit_steps(model, batches_of(data, **settings), steps=70, paths=paths_in(tmp_path))
    ends, scores = scores_of_last(model, data)
    seen = data.candidate.reshape(len(ends), -1)[:, :-1]
    np.put_along_axis(scores, seen, -np.inf, axis=1)  # known positives are never negatives, so they may score higher
    assert np.mean(np.argmax(scores, axis=1) == data.candidate[ends]) > 0.9
    assert fit.curve[-1]["loss"] < fit.curve[0]["loss"]
    assert fit.curve[-1]["step"] == fit.steps == 70


def test_known_positives_score_lower_if_they_count_as_negatives(tmp_path):
    data = chains()
    settings: dict[str, Any] = {"encoder": "self_attention", "examples": "sequences", "mask_known": False}
    model = two_tower(data, "full_softmax", **settings)
    fit_steps(model, batches_of(data, loss="full_softmax", **settings), steps=70, paths=paths_in(tmp_path))
    ends, scores = scores_of_last(model, data)
    assert np.mean(np.argmax(scores, axis=1) == data.candidate[ends]) > 0.9


@pytest.mark.parametrize(
    "settings",
    [{"loss": "full_softmax"}, {"loss": "sampled_softmax", "negatives": "mixed", "frequency": "streaming"}],
    ids=["full", "mixed"],
)
def test_two_trainings_are_bit_identical_and_the_seed_matters(settings, tmp_path):
    def weights(seed: int, directory: str) -> np.ndarray:
        data = chains()
        model = two_tower(data, seed=seed, **settings)
        fit_steps(model, batches_of(data, seed, **settings), steps=5, paths=paths_in(tmp_path / directory))
        return np.concatenate([v.numpy().ravel() for v in model.trainable_variables])

    first = weights(1, "a")
    np.testing.assert_array_equal(first, weights(1, "b"))
    assert not np.array_equal(first, weights(2, "c"))


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    data = chains()
    model = two_tower(data, "full_softmax")
    model.candidate_tower.set_weights([np.full_like(w, np.nan) for w in model.candidate_tower.get_weights()])
    with pytest.raises(FloatingPointError, match=r"lower training\.learning_rate"):
        fit_steps(model, Batches(data, batch_size=64, seed=1), steps=2, paths=paths_in(tmp_path))


def test_final_weights_that_are_not_finite_stop_the_training(tmp_path):
    """The loss of a step is computed before its update, so only the weights show what the last step did."""
    data = chains()
    model = two_tower(data, "full_softmax", learning_rate=1e38)
    with pytest.raises(FloatingPointError, match=r"after step 1: lower training\.learning_rate"):
        fit_steps(model, Batches(data, batch_size=len(data), seed=1), steps=1, paths=paths_in(tmp_path))


def test_dropout_is_a_function_of_the_step():
    data = chains()
    model, batch = two_tower(data, "full_softmax"), Batches(data, batch_size=64, seed=1).batch(0)
    first, again = (float(model.compute_loss(batch, training=True)) for _ in range(2))
    model.optimizer.iterations.assign_add(1)
    assert first == again != float(model.compute_loss(batch, training=True))
    assert float(model.compute_loss(batch)) == float(model.compute_loss(batch))


def test_every_loss_moves_both_towers():
    """One step of each loss with drawn negatives changes both towers by finite amounts."""
    data = chains()
    for loss in ("bpr", "gbce", "cosine_contrastive", "contrastive", "triplet", "gramian"):
        settings: dict[str, Any] = {"loss": loss, "negatives": {"type": "uniform", "n": 16}}
        model, batch = two_tower(data, **settings), batches_of(data, **settings).batch(0)
        with tf.GradientTape() as tape:
            value = model.compute_loss(batch)
        gradients = tape.gradient(value, model.trainable_variables)
        assert all(g is not None and np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients), loss


@pytest.mark.parametrize("loss", ["full_softmax", "in_batch_softmax", "sampled_softmax", "bpr", "gbce"])
def test_a_learned_temperature_follows_its_gradient(loss):
    data = chains()
    negatives = {} if loss in ("full_softmax", "in_batch_softmax") else {"negatives": {"type": "uniform", "n": 16}}
    settings = {"loss": loss, **negatives}
    model, batch = two_tower(data, temperature="learned", **settings), batches_of(data, **settings).batch(0)
    batch = tf.nest.map_structure(tf.convert_to_tensor, batch)
    (log,) = (variable for variable in model.trainable_variables if variable.name.startswith("log_temperature"))
    assert float(model.temperature) == pytest.approx(0.1)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch)
    slope, values = float(tape.gradient(loss, log)), []
    for moved in (-0.01, 0.01):
        log.assign_add(moved)
        values.append(float(model.compute_loss(batch)))
        log.assign_sub(moved)
    assert slope == pytest.approx((values[1] - values[0]) / 0.02, rel=0.02)
    log.assign(-100.0)
    assert float(model.temperature) == pytest.approx(0.01)


def test_full_softmax_ignores_candidates_without_training_events():
    data = chains()
    late = data.candidate == ITEMS - 1
    data = replace(data, candidate=np.where(late, 0, data.candidate))
    model = two_tower(data, "full_softmax")
    batch = tf.nest.map_structure(tf.convert_to_tensor, batches_of(data).batch(0))
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, training=False)
    table = next(variable for variable in model.trainable_variables if variable.shape[0] == ITEMS + 2)
    moved = np.linalg.norm(tf.convert_to_tensor(tape.gradient(loss, table)), axis=1) > 0
    assert moved[2 : ITEMS + 1].all()
    assert not moved[ITEMS + 1]


def test_auto_uses_the_full_softmax_within_its_budget():
    def resolved(loss: str, candidates: int) -> TrainingConfig:
        training = TrainingConfig.model_validate({"loss": loss})
        return resolve_auto(ModelConfig(), training, events=1_000_000, candidates=candidates)

    small, large, named = resolved("auto", 4_000), resolved("auto", 400_000), resolved("full_softmax", 400_000)
    assert [settings.loss.type for settings in (small, large, named)] == [
        "full_softmax",
        "in_batch_softmax",
        "full_softmax",
    ]
    assert [settings.negatives.type for settings in (small, large, named)] == ["in_batch", "mixed", "in_batch"]
    assert resolved("in_batch_softmax", 400_000).negatives.type == "in_batch"
