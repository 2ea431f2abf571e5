"""Scorers that know a query by its history: item-kNN, EASE, iALS, each with what is tried on validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from scipy import sparse

from dataplane.dataset.sequences import Dataset, Events
from models.ranking.baselines import PopularityScorer, co_occurrences, item_similarities
from models.ranking.ranking import CandidateLists, EmbeddingScorer, Scorer

RECENCY = 0.9
"""An event of age a, counted back from the latest, weighs by this to the power of a."""
MAX_DENSE_CANDIDATES = 20_000
"""EASE inverts a matrix of this side: 3.2 GB, some minutes."""
MAX_CO_OCCURRENCES = 1_000_000_000
"""Pairs of events of the same query that item-kNN goes through: about a minute."""

_LOWEST = float(np.finfo(np.float32).min)
_NO_ORDER = "the data have no order"

Choice = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """What is known of the queries that are asked.

    Attributes:
        events: seen events of all queries, in order.
        rows: the queries that are asked, ascending.
    """

    events: Events
    rows: np.ndarray

    def matrix(self, candidates: int, recency: float = 1.0) -> sparse.csr_matrix:
        """Weight of each candidate in each history, `[rows, candidates]`; of a repeated one its latest event's."""
        offsets = self.events.offsets
        sizes = np.diff(offsets)[self.rows]
        query = np.repeat(np.arange(len(self.rows)), sizes)
        starts = np.cumsum(sizes) - sizes
        place = np.arange(len(query)) - np.repeat(starts, sizes)
        candidate = self.events.candidate[np.repeat(offsets[self.rows], sizes) + place]
        weight = recency ** (np.repeat(sizes, sizes) - 1 - place)
        latest = np.lexsort((-weight, candidate, query))
        cell = query[latest] * candidates + candidate[latest]
        first = latest[np.concatenate([[True], np.diff(cell) != 0])[: len(cell)]]
        cells = (query[first], candidate[first])
        return sparse.csr_matrix((weight[first].astype(np.float32), cells), shape=(len(self.rows), candidates))


class LinearScorer:
    """Scores by the product of weighted histories and item-to-item weights.

    Args:
        histories: `[queries, candidates]`.
        weights: `[candidates, candidates]`, dense or sparse.
    """

    def __init__(self, histories: sparse.csr_matrix, weights: Any) -> None:
        self.candidates = weights.shape[1]
        self._histories, self._weights = histories, weights

    def scores(self, start: int, stop: int) -> np.ndarray:
        """See `models.ranking.ranking.Scorer`."""
        product = self._histories[start:stop] @ self._weights
        dense: np.ndarray = product.toarray() if sparse.issparse(product) else np.asarray(product)
        return dense


class Popularity:
    """By the number of training events."""

    choices: Sequence[Choice] = ({},)

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """Never."""
        return None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """Nothing to fit."""
        return dataset.train_count

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """The same for all."""
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
        """Why it would take too long or mean nothing, if so."""
        if self.recency < 1 and not dataset.ordered:
            return _NO_ORDER
        pairs = co_occurrences(CandidateLists(train.offsets, train.candidate))
        return f"{pairs:,} pairs of events" if pairs > MAX_CO_OCCURRENCES else None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """Similarities."""
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
        """Why its matrix is too large or recency means nothing, if so."""
        if self.recency < 1 and not dataset.ordered:
            return _NO_ORDER
        candidates = len(dataset.candidates)
        return f"{candidates:,} candidates squared" if candidates > MAX_DENSE_CANDIDATES else None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """Weights, float32 `[candidates, candidates]`."""
        everybody = History(train, np.arange(len(train.offsets) - 1)).matrix(len(dataset.candidates))
        gram = (everybody.T @ everybody).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += choice["ridge"]
        inverse = np.linalg.inv(gram)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return weights.astype(np.float32)

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """Sums of weights."""
        return LinearScorer(history.matrix(len(fitted), self.recency), fitted)


class Ials:
    """Matrix factorisation of implicit feedback by alternating least squares (Hu et al. 2008), as `implicit` has it."""

    choices: Sequence[Choice] = tuple(
        {"factors": factors, "regularization": regularization, "alpha": alpha}
        for factors in (64, 128)
        for regularization in (0.01, 1.0, 10.0)
        for alpha in (1.0, 10.0)
    )

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """Never."""
        return None

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """The model.

        Raises:
            ModuleNotFoundError: `implicit` is not installed.
        """
        try:
            from implicit.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("iALS is that of implicit: pip install 'tfrs-pipeline[benchmarks]'") from error
        model = AlternatingLeastSquares(**choice, iterations=15, random_state=42)
        everybody = History(train, np.arange(len(train.offsets) - 1)).matrix(len(dataset.candidates))
        with threadpool_limits(1, "blas"):  # it has threads of its own, and asks for this
            model.fit(everybody, show_progress=False)
        return model

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """Queries folded in by their histories, which may be longer than in training."""
        known = history.matrix(len(fitted.item_factors))
        factors = fitted.recalculate_user(np.arange(known.shape[0]), known)
        return EmbeddingScorer(factors, fitted.item_factors)


@dataclass(frozen=True)
class LensKit:
    """LensKit's item-kNN or iALS, asked query by query as its users do (Ekstrand 2020).

    Attributes:
        method: which.
    """

    method: Literal["item-kNN", "iALS"]

    @property
    def choices(self) -> Sequence[Choice]:
        """Neighbours; or factors, the weight of an event (its default is 40) and regularisation (0.1)."""
        if self.method == "item-kNN":
            return [{"max_nbrs": n} for n in (20, 50, 100, 200)]
        grid = ((d, w, r) for d in (64, 128) for w in (1.0, 10.0, 40.0) for r in (0.1, 1.0))
        return [{"embedding_size": d, "weight": w, "regularization": r} for d, w, r in grid]

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """Whether it is not installed."""
        return None if find_spec("lenskit") else "needs lenskit, which brings PyTorch along: pip install lenskit"

    def fit(self, dataset: Dataset, train: Events, choice: Choice) -> Any:
        """LensKit's scorer."""
        import pandas as pd
        from lenskit.als import ImplicitMFScorer
        from lenskit.data import from_interactions_df
        from lenskit.knn import ItemKNNScorer
        from lenskit.training import TrainingOptions

        pairs = pd.DataFrame({"user_id": train.queries(), "item_id": train.candidate}).drop_duplicates()
        knn = self.method == "item-kNN"
        model = ItemKNNScorer(feedback="implicit", **choice) if knn else ImplicitMFScorer(epochs=15, **choice)
        model.train(from_interactions_df(pairs), TrainingOptions(rng=42))
        return model, dataset.train_count

    def scorer(self, fitted: Any, history: History, choice: Choice) -> Scorer:
        """Each query by the items of its history."""
        model, train_count = fitted
        return _LensKitScorer(model, train_count > 0, history)


class _LensKitScorer:
    """Scores of what LensKit has seen; all else comes last."""

    def __init__(self, model: Any, is_known: np.ndarray, history: History) -> None:
        self.candidates = len(is_known)
        self._model, self._is_known, self._history = model, is_known, history

    def scores(self, start: int, stop: int) -> np.ndarray:
        """See `models.ranking.ranking.Scorer`."""
        from lenskit.data import ItemList, RecQuery

        scores = np.full((stop - start, self.candidates), _LOWEST, np.float32)
        offsets, events = self._history.events.offsets, self._history.events.candidate
        rows = np.flatnonzero(self._is_known)
        items = ItemList(item_ids=rows)
        for place, query in enumerate(self._history.rows[start:stop]):
            seen = np.unique(events[offsets[query] : offsets[query + 1]])
            asked = RecQuery(user_items=ItemList(item_ids=seen[self._is_known[seen]]))
            found: np.ndarray = self._model(asked, items).scores()
            scores[place, rows] = np.nan_to_num(found, nan=_LOWEST)
        return scores


BASELINES: dict[str, Any] = {
    "popularity": Popularity(),
    "item-kNN": ItemKnn(),
    "item-kNN, recency": ItemKnn(RECENCY),
    "EASE": Ease(),
    "EASE, recency": Ease(RECENCY),
    "iALS": Ials(),
    "LensKit item-kNN": LensKit("item-kNN"),
    "LensKit iALS": LensKit("iALS"),
}
