"""The baselines by name: popularity, item-kNN, EASE, iALS, and LensKit's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from benchmarks.baselines import BaselineName
from benchmarks.baselines.history import History, LinearScorer
from benchmarks.baselines.lenskit_methods import LensKit
from dataplane.dataset.sequences import Dataset, Events
from models.ranking.baselines import PopularityScorer, co_occurrences, item_similarities
from models.ranking.ease import ease_weights
from models.ranking.ranking import CandidateLists, EmbeddingScorer, Scorer

RECENCY = 0.9
MAX_DENSE_CANDIDATES = 20_000
"""EASE inverts a matrix of this side: 3.2 GB, some minutes."""
MAX_CO_OCCURRENCES = 1_000_000_000
"""Pairs of events of the same query that item-kNN goes through: about a minute."""

_NO_ORDER = "the data have no order"

Choice = Mapping[str, Any]


class Baseline(Protocol):
    """A method that is fitted once for each of its choices."""

    @property
    def choices(self) -> Sequence[Choice]:
        """Parameters for validation to pick from."""

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """Why the method cannot be fitted to the data, if so."""

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """Fits the training events."""

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """A scorer of the queries whose histories are given."""


class Popularity:
    """Ranks by the number of training events."""

    choices: Sequence[Choice] = ({},)

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """None: the method fits any data."""
        return None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """The number of training events of each candidate."""
        return dataset.train_count

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """The same scores for every query."""
        return PopularityScorer(fitted)


@dataclass(frozen=True)
class ItemKnn:
    """Shrunk cosine of item columns (Sarwar et al. 2001).

    Attributes:
        recency: base of the weights of the history.
    """

    recency: float = 1.0

    @property
    def choices(self) -> Sequence[Choice]:
        """Neighbours and shrinkage."""
        return [{"neighbours": n, "shrinkage": s} for n in (50, 100, 200) for s in (0.0, 10.0)]

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """Recency without an order of events, or too many pairs of events."""
        if self.recency < 1 and not dataset.ordered:
            return _NO_ORDER
        pairs = co_occurrences(CandidateLists(train.offsets, train.candidate))
        return f"{pairs:,} pairs of events" if pairs > MAX_CO_OCCURRENCES else None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """Item-to-item similarities."""
        interactions = CandidateLists(train.offsets, train.candidate)
        return item_similarities(interactions, len(dataset.candidates), **choice)

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """Sums of similarities."""
        return LinearScorer(history.matrix(fitted.shape[0], self.recency), fitted)


@dataclass(frozen=True)
class Ease:
    """Ridge regression of items on items with a zero diagonal (Steck 2019).

    Attributes:
        recency: base of the weights of the history that is scored.
    """

    recency: float = 1.0

    @property
    def choices(self) -> Sequence[Choice]:
        """The ridge."""
        return [{"ridge": ridge} for ridge in (30.0, 100.0, 300.0, 1000.0)]

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """Recency without an order of events, or too large a matrix."""
        if self.recency < 1 and not dataset.ordered:
            return _NO_ORDER
        candidates = len(dataset.candidates)
        return f"{candidates:,} candidates squared" if candidates > MAX_DENSE_CANDIDATES else None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """Item-to-item weights, float32 `[candidates, candidates]`."""
        return ease_weights(CandidateLists(train.offsets, train.candidate), len(dataset.candidates), **choice)

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """Sums of weights."""
        return LinearScorer(history.matrix(len(fitted), self.recency), fitted)


class Ials:
    """Matrix factorisation by alternating least squares (Hu et al. 2008), from the library implicit."""

    choices: Sequence[Choice] = tuple(
        {"factors": factors, "regularization": regularization, "alpha": alpha}
        for factors in (64, 128)
        for regularization in (0.01, 1.0, 10.0)
        for alpha in (1.0, 10.0)
    )

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """None: the method fits any data."""
        return None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """A model of implicit.

        Raises:
            ModuleNotFoundError: `implicit` is not installed.
        """
        try:
            from implicit.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("iALS needs implicit: pip install 'tfrs-pipeline[benchmarks]'") from error
        model = AlternatingLeastSquares(**choice, iterations=15, random_state=42)
        everybody = History(train, np.arange(len(train.offsets) - 1)).matrix(len(dataset.candidates))
        with threadpool_limits(1, "blas"):  # implicit has threads of its own, and warns otherwise
            model.fit(everybody, show_progress=False)
        return model

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """Folds queries in by their histories, which may be longer than in training."""
        known = history.matrix(len(fitted.item_factors))
        factors = fitted.recalculate_user(np.arange(known.shape[0]), known)
        return EmbeddingScorer(factors, fitted.item_factors)


BASELINES: Mapping[BaselineName, Baseline] = {
    "popularity": Popularity(),
    "item-kNN": ItemKnn(),
    "item-kNN, recency": ItemKnn(RECENCY),
    "EASE": Ease(),
    "EASE, recency": Ease(RECENCY),
    "iALS": Ials(),
    "LensKit item-kNN": LensKit("item-kNN"),
    "LensKit iALS": LensKit("iALS"),
}
