import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.events.history import PADDING, windows_around, windows_before

CANDIDATE = np.array([10, 11, 12, 13, 20, 30, 31], np.int32)  # queries 0:4, 4:5, 5:7


def before(starts, ends, length):
    return windows_before(CANDIDATE, np.array(starts), np.array(ends), length).tolist()


def around(starts, ends, labels, length):
    return windows_around(CANDIDATE, np.array(starts), np.array(ends), np.array(labels), length).tolist()


def test_most_recent_comes_first():
    assert before([0], [3], 3) == [[12, 11, 10]]
    assert before([0], [4], 2) == [[13, 12]]


def test_short_histories_are_padded_at_the_end():
    assert before([0, 0, 5], [0, 1, 6], 3) == [[PADDING] * 3, [10, PADDING, PADDING], [30, PADDING, PADDING]]


def test_a_window_stays_within_its_query():
    assert before([4, 5], [5, 7], 4) == [[20, PADDING, PADDING, PADDING], [31, 30, PADDING, PADDING]]


def test_the_label_is_left_out_of_a_bag():
    assert sorted(around([0], [4], [1], 3)[0]) == [10, 12, 13]
    assert around([4], [5], [4], 2) == [[PADDING, PADDING]]
    assert around([5, 5], [7, 7], [5, 6], 3) == [[31, PADDING, PADDING], [30, PADDING, PADDING]]


def test_a_short_window_of_a_bag_depends_on_the_label():
    windows = {tuple(around([0], [4], [label], 1)[0]) for label in range(4)}
    assert len(windows) == 4, "every event gets to be somebody's history"


def test_no_rows_and_no_events():
    assert windows_before(CANDIDATE, np.empty(0, int), np.empty(0, int), 5).shape == (0, 5)
    empty = np.empty(0, np.int32)
    assert windows_before(empty, np.zeros(2, int), np.zeros(2, int), 3).tolist() == [[PADDING] * 3] * 2


def test_windows_are_int32():
    assert windows_before(CANDIDATE, np.array([0]), np.array([2]), 4).dtype == np.int32


@st.composite
def cuts(draw):
    """Sizes of some queries, one of the events (query, position), and a window length."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    query = draw(st.integers(0, len(sizes) - 1))
    return sizes, query, draw(st.integers(0, sizes[query] - 1)), draw(st.integers(1, 8))


@given(cuts())
def test_windows_agree_with_a_plain_loop(cut):
    sizes, query, position, length = cut
    candidate = np.arange(sum(sizes), dtype=np.int32)
    start = sum(sizes[:query])
    end, label = start + sizes[query], start + position
    history = [*range(label - 1, start - 1, -1)][:length]
    found = windows_before(candidate, np.array([start]), np.array([label]), length)[0].tolist()
    assert found == history + [PADDING] * (length - len(history))
    bag = windows_around(candidate, np.array([start]), np.array([end]), np.array([label]), length)[0]
    others = bag[bag != PADDING].tolist()
    assert len(others) == min(length, sizes[query] - 1)
    assert len(set(others)) == len(others)
    assert set(others) <= set(range(start, end)) - {label}
