import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events.history import PADDING
from models.ranking.metrics import (
    QUERY_METRICS,
    coverage,
    mean_metrics,
    paired_interval,
    popularity_bias,
    query_metrics,
)

AT = (1, 2, 5, 10)


def by_definition(ranks: list[int], k: int) -> dict[str, float]:
    """Textbook definition: walks down the list, position by position."""
    relevant_at = [position in ranks for position in range(1, k + 1)]
    precisions = [sum(relevant_at[:p]) / p for p in range(1, k + 1) if relevant_at[p - 1]]
    gains = [1 / math.log2(p + 1) for p in range(1, k + 1) if relevant_at[p - 1]]
    best = [1 / math.log2(p + 1) for p in range(1, min(k, len(ranks)) + 1)]
    first = relevant_at.index(True) + 1 if any(relevant_at) else None
    return {
        "recall": sum(relevant_at) / len(ranks),
        "hit_rate": float(any(relevant_at)),
        "ndcg": sum(gains) / sum(best),
        "mrr": 1 / first if first else 0.0,
        "map": sum(precisions) / min(k, len(ranks)),
    }


@given(st.lists(st.sets(st.integers(1, 20), min_size=1, max_size=12), min_size=1, max_size=8), st.randoms())
def test_metrics_equal_their_definitions(queries: list[set[int]], random: Random) -> None:
    shuffled = [random.sample(sorted(ranks), len(ranks)) for ranks in queries]
    offsets = np.cumsum([0, *map(len, shuffled)])
    values = query_metrics(np.concatenate(shuffled), offsets, AT)
    for index, ranks in enumerate(shuffled):
        for k in AT:
            for name, expected in by_definition(ranks, k).items():
                assert values[f"{name}@{k}"][index] == pytest.approx(expected)


def test_every_metric_is_reported_at_every_cutoff() -> None:
    values = query_metrics(np.array([3]), np.array([0, 1]), (1, 10))
    assert sorted(values) == sorted(f"{name}@{k}" for name in QUERY_METRICS for k in (1, 10))


def test_means_are_over_the_selected_queries() -> None:
    values = query_metrics(np.array([1, 3, 9]), np.array([0, 1, 2, 3]), (5,))
    assert mean_metrics(values)["hit_rate@5"] == pytest.approx(2 / 3)
    assert mean_metrics(values, np.array([False, True, True]))["hit_rate@5"] == 0.5


def test_a_query_without_relevant_candidates_is_an_error() -> None:
    with pytest.raises(ValueError, match="query 1 has no relevant"):
        query_metrics(np.array([1, 2]), np.array([0, 1, 1, 2]), (1,))


def test_coverage_counts_each_candidate_once() -> None:
    top = np.array([[0, 1, 2], [0, 3, PADDING]])
    assert coverage(top, 10, (1, 2, 3, 50)) == {
        "coverage@1": 0.1,
        "coverage@2": 0.3,
        "coverage@3": 0.4,
        "coverage@50": 0.4,
    }


def test_popularity_bias_compares_with_own_history() -> None:
    popularity = np.array([8, 4, 2, 0])
    top = np.array([[0, 1], [1, PADDING], [3, 3]])
    histories = np.array([0, 2, 3, 3]), np.array([1, 2, 1])  # means 3 and 4; the third query has none
    bias = popularity_bias(top, histories, popularity, (1, 2, 10))
    assert bias == pytest.approx(
        {
            "popularity_bias@1": (8 + 4) / (3 + 4),
            "popularity_bias@2": (6 + 4) / (3 + 4),
            "popularity_bias@10": (6 + 4) / (3 + 4),
        }
    )


def test_popularity_bias_is_left_out_without_histories() -> None:
    assert popularity_bias(np.array([[0]]), (np.array([0, 0]), np.array([], np.int64)), np.array([1]), (1,)) == {}


def test_interval_covers_the_mean_and_narrows_with_queries() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(1, 1, (50, 1)), rng.normal(1, 1, (5000, 1))
    (low, high), (narrow_low, narrow_high) = (paired_interval(values, seed=1)[0] for values in (few, many))
    assert low < few.mean() < high
    assert narrow_high - narrow_low < (high - low) / 5
    # A normal mean's 95 % interval is ± 1.96 standard errors.
    assert narrow_high - narrow_low == pytest.approx(2 * 1.96 / math.sqrt(5000), rel=0.15)


def test_interval_is_repeatable_and_paired() -> None:
    values = np.random.default_rng(0).random((40, 1))
    both = np.hstack([values, values + 1])
    (first, second) = paired_interval(both, seed=7)
    assert np.subtract(second, first) == pytest.approx([1, 1])
    assert paired_interval(both, seed=7) == [first, second]
