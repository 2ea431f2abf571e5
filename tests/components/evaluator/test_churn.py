"""How many answers of the served model a new one keeps."""

import numpy as np
import pytest

from components.evaluator.churn import churn, shared

OURS = np.array([[1, 2, 3], [4, 5, -1], [7, -1, -1], [-1, -1, -1]])
THEIRS = np.array([[3, 4, 1], [5, 4, -1], [8, 9, 7], [-1, -1, -1]])


def test_shared_counts_candidates_in_both_lists_whatever_their_order() -> None:
    found = shared(OURS, THEIRS)
    np.testing.assert_allclose(found["overlap"], [2 / 3, 1, 1 / 3, 1])
    np.testing.assert_allclose(found["jaccard"], [2 / 4, 1, 1 / 3, 1])


def test_churn_is_the_mean_over_the_queries_with_its_interval() -> None:
    found = churn(OURS, THEIRS, seed=1)
    assert (found.k, found.queries) == (3, 4)
    assert found.overlap == pytest.approx((2 / 3 + 1 + 1 / 3 + 1) / 4)
    assert found.churn == pytest.approx(1 - found.overlap)
    low, high = found.intervals["overlap"]
    assert low < found.overlap < high
    assert churn(OURS, OURS, seed=1).intervals["jaccard"] == (1, 1)
