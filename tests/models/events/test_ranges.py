import numpy as np
import pytest

from models.events.ranges import concatenate_ranges, distinct_candidates


def test_concatenated_ranges():
    row, positions = concatenate_ranges(np.array([3, 0, 7]), np.array([5, 0, 8]))
    assert row.tolist() == [0, 0, 2]
    assert positions.tolist() == [3, 4, 7]


@pytest.mark.parametrize("range_events", [1, 7, 1000])
def test_distinct_candidates_do_not_depend_on_the_range_size(monkeypatch, range_events):
    monkeypatch.setattr("models.events.ranges._RANGE_EVENTS", range_events)
    random = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(random.integers(0, 6, 40))])
    candidate = random.integers(0, 5, offsets[-1]).astype(np.int32)
    starts, known = distinct_candidates(offsets, candidate)
    for query in range(40):
        expected = np.unique(candidate[offsets[query] : offsets[query + 1]])
        np.testing.assert_array_equal(known[starts[query] : starts[query + 1]], expected)
