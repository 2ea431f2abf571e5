import numpy as np
import pytest

from models.ragged import offsets_of
from models.training import spectrum as module
from models.training.spectrum import Form, Interactions, spectrum


def interactions(queries: int = 90, items: int = 24, seed: int = 0) -> tuple[Interactions, np.ndarray]:
    """Queries of four tastes, and the same as a dense matrix; the last item has no event."""
    random = np.random.default_rng(seed)
    chance = np.where(random.integers(4, size=queries)[:, None] == np.arange(items) % 4, 0.5, 0.06)
    dense = random.random((queries, items)) < chance
    dense[:, -1] = False
    return Interactions(offsets_of(dense.sum(axis=1)), np.nonzero(dense)[1].astype(np.int32), items), dense


def normalised(dense: np.ndarray) -> np.ndarray:
    by_query, by_item = (np.maximum(dense.sum(axis=axis), 1) ** -0.5 for axis in (1, 0))
    return by_query[:, None] * dense * by_item


def test_repeats_and_events_without_weight_do_not_count():
    found = Interactions.of_events(
        np.array([0, 4, 5]), np.array([3, 1, 3, 2, 0], np.int32), 4, np.array([1, 2, 5, 0, 1], np.float32)
    )
    assert found.offsets.tolist() == [0, 2, 3]
    assert found.items.tolist() == [1, 3, 0]
    assert found.degrees().tolist() == [1, 1, 0, 1]


def test_the_spectrum_is_that_of_the_normalised_matrix():
    events, dense = interactions()
    _, values, vectors = np.linalg.svd(normalised(dense))
    found = spectrum(events, rank=4, seed=1)
    np.testing.assert_allclose(found.values, values[:4], rtol=1e-4)
    alike = np.abs((found.vectors * vectors[:4].T).sum(axis=0))
    np.testing.assert_allclose(alike, 1, atol=1e-3)


def test_blocks_of_queries_change_nothing(monkeypatch):
    events, _ = interactions()
    whole = spectrum(events, rank=3, seed=1)
    monkeypatch.setattr(module, "_BLOCK_QUERIES", 7)
    assert len(list(events.normalised())) > 10
    np.testing.assert_allclose(
        spectrum(events, rank=3, seed=1).history_table(Form(3, 1)), whole.history_table(Form(3, 1)), atol=1e-4
    )


def test_equal_seeds_give_equal_bytes():
    events, _ = interactions()
    first, second = (spectrum(events, rank=4, seed=1) for _ in range(2))
    assert first.vectors.tobytes() == second.vectors.tobytes()


@pytest.mark.parametrize("exponent", [0, 0.5, 1])
@pytest.mark.parametrize("width", [3, 40], ids=["truncated", "wider than the matrix"])
def test_scores_are_those_of_the_low_pass_filter(width, exponent):
    events, dense = interactions()
    found = spectrum(events, rank=width, seed=1)
    form = Form(width, exponent)
    scores = dense @ found.history_table(form) @ found.candidate_table(form, np.ones(24, int)).T
    _, values, vectors = np.linalg.svd(normalised(dense), full_matrices=False)
    powers = np.where(values > 1e-4, values**exponent, 0)[:width]
    smooth = vectors[:width].T @ np.diag(powers) @ vectors[:width]
    degrees = dense.sum(axis=0)
    wanted = dense @ (np.maximum(degrees, 1)[:, None] ** -0.5 * smooth * degrees**0.5)
    np.testing.assert_allclose(scores, wanted, atol=2e-3)


@pytest.mark.parametrize("exponent", [0, 1])
def test_an_empty_history_is_answered_by_popularity(exponent):
    events, dense = interactions()
    found, form = spectrum(events, rank=24, seed=1), Form(24, exponent)
    candidates = found.candidate_table(form, np.ones(24, int))
    scores, degrees = candidates @ found.popularity(form), dense.sum(axis=0)
    np.testing.assert_allclose(scores / scores.max(), degrees / degrees.max(), atol=1e-2)
    own = (found.history_table(form) * candidates).sum(axis=1)
    assert 0 < scores.max() < 0.01 * own[degrees > 0].mean()


def test_candidates_that_share_an_item_share_its_score():
    events, _ = interactions()
    found = spectrum(events, rank=4, seed=1)
    alone, shared = (found.candidate_table(Form(4, 1), np.full(24, number)) for number in (1, 5))
    np.testing.assert_allclose(alone, 5 * shared, rtol=1e-5)


def test_a_start_near_the_result_saves_products():
    random = np.random.default_rng(2)
    dense = random.random((500, 150)) < random.random(150) * 0.2  # singular values that hardly decay
    day, earlier = (
        Interactions(offsets_of(it.sum(axis=1)), np.nonzero(it)[1].astype(np.int32), 150) for it in (dense, dense[25:])
    )
    start = spectrum(earlier, rank=20, seed=1)
    exact = np.square(np.linalg.svd(normalised(dense), compute_uv=False)[:20]).sum()

    def energy(start: np.ndarray | None, seed: int) -> float:
        return float(np.square(spectrum(day, rank=20, seed=seed, start=start).values).sum() / exact)

    warm = energy(start.vectors * np.sqrt(start.values), seed=3)
    assert warm > energy(None, seed=3) > 0.98, "as good as many products from a random start"
    assert warm > energy(random.normal(size=(150, 20)), seed=3) + 0.04, "better than as few from a random start"
