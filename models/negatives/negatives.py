"""Draws the negatives of a training step as a function of (seed, step) alone."""

import numpy as np

from models.spec.negatives_config import MixedNegatives, NegativesConfig, PopularityNegatives, UniformNegatives

_STREAM = 1
"""Separates these random numbers from those of the batch order, which use the same seed."""


class NegativeSampler:
    """Draws candidates with replacement.

    Attributes:
        expected: expected number of draws of each candidate per step, float32 `[candidates]`.

    Args:
        number: draws per step.
        weights: unnormalised probabilities, at least one above 0, `[candidates]`.
        seed: together with the step's number it decides the draws.
    """

    def __init__(self, *, number: int, weights: np.ndarray, seed: int) -> None:
        shares = weights / weights.sum()
        self.expected = (number * shares).astype(np.float32)
        self._number = number
        self._cumulative = np.cumsum(shares)
        self._seed = seed

    def draw(self, step: int) -> np.ndarray:
        """Candidate rows of a step, int32 `[number]`."""
        places = np.random.default_rng([self._seed, step, _STREAM]).random(self._number) * self._cumulative[-1]
        rows = np.searchsorted(self._cumulative, places, side="right")
        drawn: np.ndarray = np.minimum(rows, len(self._cumulative) - 1).astype(np.int32)
        return drawn


def build_sampler(config: NegativesConfig, train_count: np.ndarray, *, seed: int) -> NegativeSampler | None:
    """Builds the sampler of negatives from outside the batch; None if the configuration needs none.

    Args:
        config: the configured negatives.
        train_count: training events of each candidate, `[candidates]`.
        seed: see `NegativeSampler`.
    """
    if not isinstance(config, UniformNegatives | PopularityNegatives | MixedNegatives):
        return None
    alpha = config.alpha if isinstance(config, PopularityNegatives) else 0.0
    weights = np.maximum(train_count, 1.0) ** alpha
    if isinstance(config, MixedNegatives) and config.chosen_only:
        weights *= train_count > 0
    return NegativeSampler(number=config.n, weights=weights, seed=seed)
