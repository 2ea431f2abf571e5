"""Towers that died in several ways, and ones that only look like it."""

import numpy as np
import pytest

from models.ranking.collapse import check_finite, collapse
from models.ranking.ranking import NotFiniteError

DIM = 8
RANDOM = np.random.default_rng(0)


def normal(rows: int) -> np.ndarray:
    return RANDOM.normal(size=(rows, DIM)).astype(np.float32)


def rows(count: int) -> dict[str, np.ndarray]:
    """Pairwise different inputs."""
    return {"tokens": np.arange(count, dtype=np.int32)[:, None]}


def found(queries: np.ndarray, candidates: np.ndarray, **inputs: dict[str, np.ndarray]) -> str:
    given = {"query_inputs": rows(len(queries)), "candidate_inputs": rows(len(candidates))}
    return collapse(queries, candidates, **{**given, **inputs})


def rounded(embeddings: np.ndarray) -> np.ndarray:
    """Adds rounding noise, as another order of summation does."""
    return (embeddings * (1 + RANDOM.uniform(-2e-7, 2e-7, embeddings.shape))).astype(np.float32)


SAME = np.tile(normal(1), (60, 1))
NEARLY = np.concatenate([SAME[:58], normal(2)])
AT_THE_LIMIT = np.concatenate([SAME[:57], normal(3)])
BELOW_THE_LIMIT = np.concatenate([SAME[:56], normal(4)])
PARALLEL = SAME * RANDOM.uniform(0.1, 9, (60, 1)).astype(np.float32)
ZERO = np.zeros((60, DIM), np.float32)
ACROSS = normal(60) * np.array([1] * 4 + [0] * 4, np.float32)
ALONG = normal(60) * np.array([0] * 4 + [1] * 4, np.float32)


@pytest.mark.parametrize(
    ("queries", "candidates", "message"),
    [
        (normal(60), ZERO, "all 60 candidate embeddings are zero"),
        (normal(60), SAME, "all 60 candidate embeddings are equal"),
        (normal(60), rounded(SAME), "all 60 candidate embeddings are equal"),
        (normal(60), NEARLY, "58 of 60 candidate embeddings are equal"),
        (normal(60), AT_THE_LIMIT, "57 of 60 candidate embeddings are equal"),
        (ZERO, normal(60), "all 60 query embeddings are zero although their histories or features differ"),
        (rounded(SAME), normal(60), "all 60 query embeddings are equal although their histories or features differ"),
        (NEARLY, normal(60), "58 of 60 query embeddings are equal"),
        (PARALLEL, normal(60), "all 60 query embeddings point the same way, so every query gets the same ranking"),
        (ACROSS, ALONG, "the scores of all 60 queries are the same for all 60 candidates"),
        (np.concatenate([ACROSS[:58], normal(2)]), ALONG, "the scores of 58 of 60 queries are the same"),
    ],
)
def test_each_kind_of_collapse_is_described(queries: np.ndarray, candidates: np.ndarray, message: str) -> None:
    assert found(queries, candidates).startswith(message)


def test_a_model_that_ranks_has_not_collapsed() -> None:
    assert found(normal(60), normal(60)) == ""
    assert found(normal(1), normal(60)) == ""
    assert found(normal(60), normal(1)) == ""
    assert found(normal(60), BELOW_THE_LIMIT) == ""
    assert found(normal(60) * 1e-12, normal(60) * 1e12) == ""
    offset = normal(1) * 100  # much in common, and yet an order
    assert found(normal(60) + offset, normal(60) + offset) == ""


def test_rows_with_equal_inputs_may_share_an_embedding() -> None:
    # Of 100 candidates three were trained on; the others are new and without features.
    new = {"tokens": np.array([2, 3, 4] + [1] * 97, np.int32)[:, None]}
    candidates = np.concatenate([normal(3), np.tile(normal(1), (97, 1))])
    assert found(normal(60), candidates, candidate_inputs=new) == ""
    assert found(normal(60), candidates).startswith("97 of 100 candidate embeddings are equal")
    # Queries without history or features are one and the same to the tower.
    unknown = {"history": np.zeros((60, 5), np.int32)}
    assert found(SAME, normal(60), query_inputs=unknown) == ""


def test_large_catalogues_are_checked_in_blocks() -> None:
    many = np.tile(normal(1), (70_000, 1))
    many[::30] = normal(len(many[::30]))
    assert found(normal(60), many).startswith("67666 of 70000 candidate embeddings are equal")
    many[::10] = normal(7000)
    assert found(normal(60), many) == ""


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_finite_is_found(bad: float) -> None:
    broken = normal(60)
    broken[7, 3] = bad
    with pytest.raises(
        NotFiniteError, match="1 of 60 query embeddings have NaN or infinite values; the first is row 7"
    ):
        check_finite(broken, normal(60))
    with pytest.raises(NotFiniteError, match="1 of 60 candidate embeddings"):
        check_finite(normal(60), broken)


def test_lengths_whose_scores_overflow_float32_are_found() -> None:
    with pytest.raises(NotFiniteError, match=r"scores can overflow float32.*e\+20 long, candidate embeddings up to"):
        check_finite(normal(60) * np.float32(1e20), normal(60) * np.float32(1e20))
    check_finite(normal(60) * np.float32(1e20), normal(60))
