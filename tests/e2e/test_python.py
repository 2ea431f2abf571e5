"""The models of a finished run, asked from Python."""

import pytest

import tfrs_pipeline as tp
from tests.e2e.conftest import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]  # `make test.docs` runs it


def test_python_is_answered_as_the_command_line_is(shop: Project) -> None:
    run = tp.load(shop.root, "shop")
    answers = run.recommend(["q7", "q8"], k=5)
    assert answers["rank"] == [1, 2, 3, 4, 5] * 2
    assert answers["score"][:5] == sorted(answers["score"][:5], reverse=True)
    assert answers["query_id"] == ["q7"] * 5 + ["q8"] * 5
    assert answers["candidate_id"][5:] == shop.recommend("shop", "--query-id", "q8", "-k", "5")


def test_features_and_history_stand_before_the_stored_ones(shop: Project) -> None:
    run = tp.load(shop.root, "shop")
    given = run.recommend(features={"country": "NL", "age": 33}, history=["c12", "c99"], exact=True)
    assert "query_id" not in given.columns
    assert len(given) == 10
    with pytest.raises(tp.ConfigError, match="'colour' is not an input of the model"):
        run.recommend(features={"colour": "red"})
    with pytest.raises(tp.ConfigError, match="query 'nobody' is not among"):
        run.recommend("nobody")


def test_similar_candidates_leave_the_candidate_out(shop: Project) -> None:
    run = tp.load(shop.root, "shop")
    similar = run.similar("c12", k=3)
    assert len(similar) == 3
    assert "c12" not in similar["candidate_id"]
