"""Draws a training step's negatives; what is drawn is a function of (seed, step) alone."""

import numpy as np

from models.spec.negatives_config import MixedNegatives, NegativesConfig, PopularityNegatives, UniformNegatives

_STREAM = 1
"""Tells these random numbers from those of the batches' order, which have the same seed."""


class NegativeSampler:
    """Draws candidates with replacement.

    Attributes:
        expected: how many times a step is expected to draw each candidate, float32 `[candidates]`.

    Args:
        number: draws a step.
        weights: in proportion to which candidates are drawn, at least one above 0, `[candidates]`.
        seed: with the step's number it decides what is drawn.
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
    """What draws negatives besides those of the batch; None if nothing does.

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
