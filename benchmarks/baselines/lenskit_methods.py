"""LensKit's item-kNN and iALS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from benchmarks.baselines.history import History
from dataplane.dataset.sequences import Dataset, Events
from models.ranking.ranking import Scorer

_LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class LensKit:
    """One of LensKit's methods, called query by query as its users do (Ekstrand 2020).

    Attributes:
        method: of LensKit.
    """

    method: Literal["item-kNN", "iALS"]

    @property
    def choices(self) -> Sequence[Mapping[str, Any]]:
        """Neighbours; or factors, the weight of an event (its default is 40) and regularisation (0.1)."""
        if self.method == "item-kNN":
            return [{"max_nbrs": n} for n in (20, 50, 100, 200)]
        grid = ((d, w, r) for d in (64, 128) for w in (1.0, 10.0, 40.0) for r in (0.1, 1.0))
        return [{"embedding_size": d, "weight": w, "regularization": r} for d, w, r in grid]

    def refusal(self, dataset: Dataset, train: Events) -> str | None:
        """LensKit is not installed."""
        return None if find_spec("lenskit") else "needs lenskit, which brings PyTorch along: pip install lenskit"

    def fit(self, dataset: Dataset, train: Events, choice: Mapping[str, Any]) -> Any:
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

    def scorer(self, fitted: Any, history: History, choice: Mapping[str, Any]) -> Scorer:
        """Scores each query by the items of its history."""
        model, train_count = fitted
        return _LensKitScorer(model, train_count > 0, history)


class _LensKitScorer:
    """Scores of the candidates that LensKit was trained on; all others come last."""

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
