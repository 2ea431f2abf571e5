import numpy as np
import pytest

from models import ragged
from models.ragged import concatenate_ranges, offsets_of, places_of, row_ranges, row_sums, rows_of

SIZES = np.array([2, 0, 3], np.int32)
OFFSETS = np.array([0, 2, 2, 5])


def test_offsets_begin_each_row_and_end_the_last() -> None:
    assert offsets_of(SIZES).tolist() == OFFSETS.tolist()
    assert offsets_of(SIZES).dtype == np.int64
    assert offsets_of(np.array([True, False, True])).tolist() == [0, 1, 1, 2]
    assert offsets_of(np.empty(0, np.int64)).tolist() == [0]
    assert offsets_of(np.full(3, 2**30, np.int32))[-1] == 3 * 2**30, "more than 32 bits"


@pytest.mark.parametrize("base", [0, 7])
def test_every_entry_has_its_row_and_its_place_in_it(base: int) -> None:
    assert rows_of(OFFSETS + base).tolist() == [0, 0, 2, 2, 2]
    assert places_of(OFFSETS + base).tolist() == [0, 1, 0, 1, 2]
    assert row_sums(np.array([1, 0, 1, 1, 0]), OFFSETS + base).tolist() == [1, 0, 2]
    assert row_sums(np.array([True, False, True, True, False]), OFFSETS + base).tolist() == [1, 0, 2]


def test_ranges_one_after_the_other() -> None:
    row, positions = concatenate_ranges(np.array([3, 0, 7]), np.array([5, 0, 8]))
    assert row.tolist() == [0, 0, 2]
    assert positions.tolist() == [3, 4, 7]
    row, positions = concatenate_ranges(np.empty(0, np.int64), np.empty(0, np.int64))
    assert len(row) == len(positions) == 0


@pytest.mark.parametrize(("entries", "ranges"), [(1, [(0, 1), (1, 2), (2, 3)]), (2, [(0, 2), (2, 3)]), (5, [(0, 3)])])
def test_runs_of_rows_have_a_bounded_number_of_entries(
    monkeypatch: pytest.MonkeyPatch, entries: int, ranges: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(ragged, "_RANGE_ENTRIES", entries)
    found = list(row_ranges(OFFSETS))
    assert [row for first, last in found for row in range(first, last)] == [0, 1, 2]
    assert found == ranges
    assert list(row_ranges(np.zeros(1, np.int64))) == []
