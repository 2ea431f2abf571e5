from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from models.losses import Contrast, full_softmax, sampled_softmax
from models.negatives.frequency import StreamingEstimator
from models.negatives.negatives import NegativeSampler, build_sampler
from models.spec.config import TrainingConfig
from models.spec.negatives_config import StreamingFrequency

COUNT = np.array([0, 1, 4, 25, 100])


def sampler(negatives, seed: int = 0) -> NegativeSampler | None:
    config = TrainingConfig.model_validate({"loss": "sampled_softmax", "negatives": negatives})
    return build_sampler(config.negatives, COUNT, seed=seed)


def test_draws_are_a_function_of_seed_and_step():
    def draw(seed: int, step: int) -> list[int]:
        return sampler({"type": "uniform", "n": 50}, seed).draw(step).tolist()

    assert draw(1, 7) == draw(1, 7)
    assert len({tuple(draw(seed, step)) for seed, step in ((1, 7), (1, 8), (2, 7))}) == 3


@pytest.mark.parametrize(
    ("negatives", "shares"),
    [
        ({"type": "uniform"}, [0.2] * 5),
        ({"type": "mixed"}, [0.2] * 5),
        ({"type": "mixed", "chosen_only": True}, [0, 0.25, 0.25, 0.25, 0.25]),
        ({"type": "popularity", "alpha": 0}, [0.2] * 5),
        ({"type": "popularity", "alpha": 0.5}, np.array([1, 1, 2, 5, 10]) / 19),
        ({"type": "popularity", "alpha": 1}, np.array([1, 1, 4, 25, 100]) / 131),
    ],
)
def test_draws_have_the_expected_frequencies(negatives, shares):
    drawn = sampler(negatives | {"n": 20_000})
    np.testing.assert_allclose(drawn.expected, 20_000 * np.array(shares), rtol=1e-5)
    counts = np.bincount(drawn.draw(0), minlength=5)
    assert (np.abs(counts - drawn.expected) <= 5 * np.sqrt(drawn.expected)).all()


def test_in_batch_negatives_need_no_draws():
    assert sampler("in_batch") is None


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"negatives": "uniform"}, "auto"),
        ({"loss": "full_softmax", "negatives": "mixed"}, "mixed"),
        ({"loss": "in_batch_softmax", "negatives": "uniform"}, "sampled_softmax"),
        ({"loss": "bpr", "frequency": "streaming"}, "gramian"),
        ({"loss": "sampled_softmax", "negatives": "uniform", "frequency": "streaming"}, "in_batch"),
    ],
)
def test_settings_without_effect_are_refused(training, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig.model_validate(training)


def query_gradient(loss, candidates: np.ndarray, rows: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    queries = tf.constant([[0.9, -0.5, 0.7]])
    contrast = Contrast(
        queries=queries,
        positives=tf.constant(candidates[4:5]),
        labels=tf.constant([4]),
        candidates=tf.constant(candidates[rows]),
        rows=tf.constant(rows, tf.int32),
        known=tf.constant([7]),
        known_row=tf.constant([0]),
        frequency=tf.constant(frequency, tf.float32),
        weight=tf.ones([1]),
        temperature=0.5,
        catalogue=len(candidates),
    )
    with tf.GradientTape() as tape:
        tape.watch(queries)
        value = loss(replace(contrast, queries=queries))
    return tape.gradient(value, queries).numpy()


def test_the_corrected_gradient_converges_to_the_full_one_and_the_uncorrected_does_not():
    random = np.random.default_rng(3)
    candidates = random.normal(size=(50, 3)).astype(np.float32)
    popularity = np.exp(candidates @ [0.9, -0.5, 0.7])  # what is popular scores well
    full = query_gradient(full_softmax, candidates, np.arange(50), np.ones(50))

    def error(draws: int, exponent: float) -> float:
        sampler = NegativeSampler(number=draws, weights=popularity, seed=0)
        errors = []
        for step in range(20):
            rows = sampler.draw(step)
            loss = partial(sampled_softmax, logq_exponent=exponent)
            sampled = query_gradient(loss, candidates, rows, sampler.expected[rows])
            errors.append(np.linalg.norm(sampled - full) / np.linalg.norm(full))
        return float(np.mean(errors))

    corrected, uncorrected = ([error(draws, exponent) for draws in (100, 10_000)] for exponent in (1.0, 0.0))
    assert corrected[1] < 0.25 * corrected[0]
    assert corrected[1] < 0.02
    assert uncorrected[1] > 0.1


def stream(probabilities: np.ndarray, steps: int, config: StreamingFrequency) -> np.ndarray:
    """Estimated gaps at many late steps of a stream whose batches have candidate `i` with `probabilities[i]`."""
    estimator, random = StreamingEstimator(config, gap=20.0, seed=1), np.random.default_rng(0)
    update = tf.function(
        estimator.update, input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)]
    )
    everyone, gaps = tf.range(len(probabilities)), []
    for step in range(1, steps + 1):
        update(np.flatnonzero(random.random(len(probabilities)) < probabilities).astype(np.int32), step)
        if step > steps // 3 and step % 100 == 0:
            gaps.append(1 / estimator.expected(everyone).numpy())
    return np.array(gaps)


def test_streaming_estimate_has_the_documented_mean_and_variance():
    alpha, probability = 0.1, 0.05
    gaps = stream(np.full(300, probability), 2000, StreamingFrequency(type="streaming", alpha=alpha, hashes=1))
    assert np.mean(gaps) == pytest.approx(1 / probability, rel=0.02)
    variation = np.std(gaps) / np.mean(gaps)
    assert variation == pytest.approx(np.sqrt(alpha / (2 - alpha)), rel=0.1)


def test_more_hashes_correct_collisions():
    def mean_gap(hashes: int) -> float:
        config = StreamingFrequency(type="streaming", alpha=0.05, buckets=256, hashes=hashes)
        return float(np.mean(stream(np.full(128, 0.05), 1000, config)))

    assert mean_gap(1) < 0.9 * 20 < mean_gap(4)


def test_a_candidate_twice_in_a_batch_counts_once():
    config = StreamingFrequency(type="streaming", alpha=0.5, buckets=64, hashes=1)
    once, twice = (StreamingEstimator(config, gap=4.0, seed=1) for _ in range(2))
    once.update(tf.constant([3]), 2)
    twice.update(tf.constant([3, 3]), 2)
    assert once.expected(tf.constant([3])) == twice.expected(tf.constant([3])) == 1 / 3
