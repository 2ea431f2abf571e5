import numpy as np
import pytest

import models.ranking.ials
from models.ranking.ials import fit_ials
from models.ranking.ranking import CandidateLists
from tests.models.ranking.test_baselines import dense, random_lists


def exact(others: np.ndarray, observed: np.ndarray, alpha: float, ridge: float) -> np.ndarray:
    """Each row by the normal equations of weighted least squares."""
    rows = []
    for row in observed:
        weights = 1 + alpha * row
        rows.append(
            np.linalg.solve((others.T * weights) @ others + ridge * np.eye(others.shape[1]), others.T @ (weights * row))
        )
    return np.array(rows)


def test_folding_in_solves_the_weighted_least_squares() -> None:
    train, histories = random_lists(80, 15, seed=1), random_lists(9, 15, seed=2)
    model = fit_ials(train, 15, dim=5, alpha=4.0, ridge=0.5)
    wanted = exact(model.factors, dense(histories, 15), 4.0, 0.5)
    np.testing.assert_allclose(model.fold_in(histories), wanted, atol=1e-4)


def test_a_fit_is_a_fixed_point_of_both_half_steps() -> None:
    train = random_lists(80, 15, seed=1)
    model = fit_ials(train, 15, dim=4, alpha=4.0, ridge=0.5, iterations=200)
    queries = exact(model.factors, dense(train, 15), 4.0, 0.5)
    np.testing.assert_allclose(exact(queries, dense(train, 15).T, 4.0, 0.5), model.factors, atol=1e-2)
    assert np.abs(model.factors).max() > 0.1


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    train = random_lists(60, 17, seed=1)
    whole = fit_ials(train, 17, dim=4).factors
    monkeypatch.setattr(models.ranking.ials, "_BLOCK_EVENTS", 20)
    np.testing.assert_allclose(fit_ials(train, 17, dim=4).factors, whole, atol=1e-4)


def test_an_empty_history_has_no_preference() -> None:
    model = fit_ials(random_lists(60, 17, seed=1), 17, dim=4)
    assert not model.fold_in(CandidateLists.empty(2)).any()
