import numpy as np
import pytest

from models.ranking.ranking import CandidateLists
from models.training.validation import Validation, embed


def tower(inputs):
    return inputs["vector"]


def validation(queries, candidates, relevant, excluded) -> Validation:
    def lists(values) -> CandidateLists:
        sizes = np.cumsum([0, *map(len, values)])
        return CandidateLists(sizes, np.array([row for each in values for row in each], np.int32))

    columns = [{"vector": np.array(vectors, np.float32)} for vectors in (queries, candidates)]
    return Validation(columns[0], columns[1], lists(relevant), lists(excluded))


def test_excluded_candidates_do_not_lower_the_metrics():
    candidates = [[float(-row)] for row in range(30)]
    blocked = validation([[1.0]], candidates, [[15]], [[]]).metrics(tower, tower)
    free = validation([[1.0]], candidates, [[15]], [list(range(15))]).metrics(tower, tower)
    assert (blocked["recall@10"], blocked["recall@20"]) == (0, 1)
    assert free["recall@10"] == free["ndcg@10"] == 1


def test_constant_embeddings_have_zero_metrics():
    metrics = validation([[1.0]], [[0.0]] * 60, [[0]], [[]]).metrics(tower, tower)
    assert set(metrics.values()) == {0.0}


def test_embeddings_with_nan_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        validation([[np.nan]], [[0.0]] * 60, [[0]], [[]]).metrics(tower, tower)


def test_embedding_in_slices_keeps_the_row_order():
    values = np.arange(10_000, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(embed(lambda inputs: 2 * inputs["x"], {"x": values}), 2 * values)
