from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.baselines.history import History
from benchmarks.baselines.methods import Ease, ItemKnn
from dataplane.dataset.sequences import Events

# Two queries of four candidates; the first comes back to candidate 0.
EVENTS = Events(
    offsets=np.array([0, 4, 6]), candidate=np.array([0, 1, 0, 2, 3, 1], np.int32), split=np.zeros(6, np.int8)
)
DATASET: Any = SimpleNamespace(candidates=range(4), ordered=True)
EVERYBODY = History(EVENTS, np.arange(2))


def test_a_history_weighs_each_candidate_by_its_latest_event():
    halves = EVERYBODY.matrix(4, recency=0.5).toarray()
    np.testing.assert_allclose(halves, [[0.5, 0.25, 1, 0], [0, 1, 0, 0.5]])
    assert EVERYBODY.matrix(4).toarray().tolist() == [[1, 1, 1, 0], [0, 1, 0, 1]]
    np.testing.assert_allclose(History(EVENTS, np.array([1])).matrix(4, recency=0.5).toarray(), halves[1:])


def test_ease_is_the_ridge_regression_of_each_candidate_on_the_others():
    weights = Ease().fit(DATASET, EVENTS, {"ridge": 2.0})
    histories = EVERYBODY.matrix(4).toarray().astype(float)
    for column in range(4):
        others = np.delete(np.arange(4), column)
        inputs = histories[:, others]
        solved = np.linalg.solve(inputs.T @ inputs + 2 * np.eye(3), inputs.T @ histories[:, column])
        np.testing.assert_allclose(weights[others, column], solved, atol=1e-6)
    assert (np.diag(weights) == 0).all()


def test_scores_are_weighted_sums_over_the_history():
    weights = Ease().fit(DATASET, EVENTS, {"ridge": 2.0})
    scores = Ease(recency=0.5).scorer(weights, EVERYBODY, {}).scores(0, 2)
    np.testing.assert_allclose(scores, EVERYBODY.matrix(4, recency=0.5).toarray() @ weights, rtol=1e-6)


@pytest.mark.parametrize("method", [Ease, ItemKnn])
def test_recency_needs_ordered_events(method):
    unordered = SimpleNamespace(candidates=range(4), ordered=False)
    assert method(recency=0.9).refusal(unordered, EVENTS) == "the data have no order"
    assert method().refusal(unordered, EVENTS) is None
