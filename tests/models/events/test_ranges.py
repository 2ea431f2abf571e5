import numpy as np
import pytest

from models.events.ranges import distinct_candidates


@pytest.mark.parametrize("range_events", [1, 7, 1000])
def test_distinct_candidates_do_not_depend_on_the_range_size(monkeypatch, range_events):
    monkeypatch.setattr("models.ragged._RANGE_ENTRIES", range_events)
    random = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(random.integers(0, 6, 40))])
    candidate = random.integers(0, 5, offsets[-1]).astype(np.int32)
    starts, known = distinct_candidates(offsets, candidate)
    for query in range(40):
        expected = np.unique(candidate[offsets[query] : offsets[query + 1]])
        np.testing.assert_array_equal(known[starts[query] : starts[query + 1]], expected)
