import numpy as np
import pytest

from models.ranking.ease import ease_weights
from tests.models.ranking.test_baselines import dense, random_lists


@pytest.mark.parametrize("ridge", [0.5, 20.0])
def test_each_column_is_the_ridge_regression_on_the_other_candidates(ridge: float) -> None:
    train = random_lists(60, 13, seed=1)
    matrix, weights = dense(train, 13), ease_weights(train, 13, ridge=ridge)
    assert weights.dtype == np.float32
    assert not np.diag(weights).any()
    for target in range(13):
        others = np.delete(np.arange(13), target)
        known = matrix[:, others]
        wanted = np.linalg.solve(known.T @ known + ridge * np.eye(12), known.T @ matrix[:, target])
        np.testing.assert_allclose(weights[others, target], wanted, atol=1e-5)
