"""Statistics that were written and read merge as those that were not."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataplane.statistics import count_sketch
from dataplane.statistics.report import table_report
from dataplane.statistics.statistics_file import read_statistics, write_statistics
from dataplane.statistics.table_statistics import TableStatistics


def rows(start: int, count: int) -> pa.RecordBatch:
    numbers = np.arange(start, start + count)
    moments = [datetime(2026, 1, 1 + int(number) % 28, tzinfo=UTC) for number in numbers]
    columns = {
        "query_id": pa.array([f"u{number % 7}" for number in numbers], pa.string()).dictionary_encode(),
        "candidate_id": pa.array([None if number % 5 == 0 else f"ñ {number}" for number in numbers], pa.string()),
        "price": pa.array([[np.nan, np.inf, 1e300, -0.0, number / 3][number % 5] for number in numbers], pa.float64()),
        "whole": pa.array([2**63 - 1 - int(number) for number in numbers], pa.int64()),
        "sold": pa.array(numbers % 2 == 0),
        "at": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "tags": pa.array(
            [None if number % 3 else ["a", None, str(number)] for number in numbers], pa.list_(pa.string())
        ),
        "vector": pa.array([[float(number), 0.5] for number in numbers], pa.list_(pa.float32())),
        "nothing": pa.nulls(count, pa.float64()),
    }
    return pa.RecordBatch.from_pydict(columns)


def statistics(*parts: tuple[int, int]) -> TableStatistics:
    found = TableStatistics()
    for part in parts:
        found.add(rows(*part))
    return found


@pytest.mark.parametrize("capacity", [1 << 17, 20])
def test_what_is_read_merges_as_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capacity: int
) -> None:
    monkeypatch.setattr(count_sketch.CountSketch.__init__, "__defaults__", _with_capacity(capacity))
    merged = TableStatistics()
    for number, part in enumerate([(0, 40), (0, 0), (30, 50)]):
        write_statistics(tmp_path / f"{number}.arrow", statistics(part))
        merged.merge(read_statistics(tmp_path / f"{number}.arrow"))
    expected = statistics((0, 40), (30, 50))
    assert len(expected.columns["candidate_id"].counts.counts()) == min(64, capacity), "some values were dropped"
    assert table_report(merged) == table_report(expected)
    for name in ("price", "whole", "vector"):
        np.testing.assert_array_equal(merged.sampled_numbers(name), expected.sampled_numbers(name))
        assert merged.columns[name].numbers == expected.columns[name].numbers, "sums are exact"


def _with_capacity(capacity: int) -> tuple[object, ...]:
    _, *others = count_sketch.CountSketch.__init__.__defaults__ or ()
    return (capacity, *others)


def test_no_rows_are_statistics_too(tmp_path: Path) -> None:
    write_statistics(tmp_path / "none.arrow", TableStatistics())
    assert read_statistics(tmp_path / "none.arrow") == TableStatistics()


def test_a_file_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "foreign.arrow").write_bytes(b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(pa.ArrowInvalid):
        read_statistics(tmp_path / "foreign.arrow")
